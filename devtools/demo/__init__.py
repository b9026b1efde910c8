# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the main job on one machine, and whether it came out as expected."""

from __future__ import annotations
