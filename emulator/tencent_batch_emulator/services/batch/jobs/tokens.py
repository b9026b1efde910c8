# SPDX-License-Identifier: Apache-2.0
"""
Client tokens: the same token gets the same object.

How long a token lives is not documented. Here it lives as long as the service remembers it: the last ten thousand, even
after its object was deleted, because a late repetition of a request must never make a second object.
"""

from __future__ import annotations

MAX_TOKENS = 10_000


class Tokens:
    """Remember which id a token got."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def get(self, token: str | None) -> str | None:
        """Return the id that was made with the token before."""
        return self._ids.get(token) if token else None

    def remember(self, token: str | None, made: str) -> None:
        """Note what was made with a token; without one nothing is idempotent."""
        if not token:
            return
        self._ids[token] = made
        if len(self._ids) > MAX_TOKENS:
            del self._ids[next(iter(self._ids))]
