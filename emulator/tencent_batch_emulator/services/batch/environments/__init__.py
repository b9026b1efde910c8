# SPDX-License-Identifier: Apache-2.0
"""Compute environments and their nodes."""

from __future__ import annotations
