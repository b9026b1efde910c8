# SPDX-License-Identifier: Apache-2.0
"""
Go on with a procedure that yields what to ask and is sent the answer, or thrown the error; it makes no call itself.

Whether its caller blocks meanwhile or not, the steps are these.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


def sent(flow: Generator[Q, A, None], answer: A) -> Q | None:
    """Send an answer, and return what to ask next; None at the end."""
    try:
        return flow.send(answer)
    except StopIteration:
        return None


def thrown(flow: Generator[Q, A, None], error: Exception) -> Q | None:
    """Throw an error, and return what to ask next; None at the end."""
    try:
        return flow.throw(error)
    except StopIteration:
        return None
