# SPDX-License-Identifier: Apache-2.0
"""The emulator's own side: its keys, its log of requests, the file that says where it is, its endpoints."""

from __future__ import annotations
