# SPDX-License-Identifier: Apache-2.0
"""The one port: server, the two protocols, signatures, and what a connection may cost."""

from __future__ import annotations
