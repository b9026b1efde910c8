# SPDX-License-Identifier: Apache-2.0
"""What the cloud's events and states mean. Pure: no I/O and no clock."""
