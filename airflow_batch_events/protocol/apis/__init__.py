# SPDX-License-Identifier: Apache-2.0
"""The TC3 APIs as values: requests, and answers that were read."""
