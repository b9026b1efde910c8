# SPDX-License-Identifier: Apache-2.0
"""The emulator's own interface: the log of requests, the address file, and the endpoints that control it."""

from __future__ import annotations
