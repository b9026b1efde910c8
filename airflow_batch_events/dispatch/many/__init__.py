# SPDX-License-Identifier: Apache-2.0
"""Many jobs of one task: submit, wait for, delete and end them in an event loop."""
