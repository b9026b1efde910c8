# SPDX-License-Identifier: Apache-2.0
"""What a job reads and writes, told to OpenLineage."""
