# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on purpose: rules, and their effects on messages and on requests."""

from __future__ import annotations
