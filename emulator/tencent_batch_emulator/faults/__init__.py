# SPDX-License-Identifier: Apache-2.0
"""Injected faults: the rules, and their effects on messages."""

from __future__ import annotations
