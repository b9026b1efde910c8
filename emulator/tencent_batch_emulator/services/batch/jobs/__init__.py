# SPDX-License-Identifier: Apache-2.0
"""Jobs: their states, their life on the clock, the actions on them."""

from __future__ import annotations
