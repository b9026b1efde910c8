# SPDX-License-Identifier: Apache-2.0
"""What the ``call`` fixture is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Call = Callable[..., Awaitable[dict[str, Any]]]
