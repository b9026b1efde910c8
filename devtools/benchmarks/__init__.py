# SPDX-License-Identifier: Apache-2.0
"""Measurements that the documents quote; ``python -m devtools.benchmarks``."""

from __future__ import annotations
