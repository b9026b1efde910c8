# SPDX-License-Identifier: Apache-2.0
"""STS: temporary keys for roles, and whose key it is."""
