# SPDX-License-Identifier: Apache-2.0
"""A small cloud for one machine: Batch, TDMQ for CMQ and the CMQ data plane over HTTP, signatures verified."""

from __future__ import annotations

__version__ = "0.1.0"
