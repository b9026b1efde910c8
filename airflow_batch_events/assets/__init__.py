# SPDX-License-Identifier: Apache-2.0
"""Assets that stand for Batch jobs and compute environments."""
