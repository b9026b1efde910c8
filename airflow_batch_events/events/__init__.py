# SPDX-License-Identifier: Apache-2.0
"""What the cloud's events and states mean. Pure: no I/O, no clock of its own."""
