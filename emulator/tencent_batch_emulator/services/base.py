# SPDX-License-Identifier: Apache-2.0
"""
What a TC3 API (Batch, TDMQ) is to the server: named actions that take parameters and a caller.

The server owns HTTP, signatures, rate limits, faults and the envelope; a service owns rules and state. A handler
returns the fields of ``Response`` (without ``RequestId``) or raises :class:`ApiError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class ApiError(Exception):
    """
    An error that the cloud's envelope carries.

    :param code: For example ``InvalidParameter.JobIdMalformed``.
    :param message: The text beside it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Caller:
    """Who signed the request, and the region that the request named."""

    secret_id: str
    account: int
    region: str


Params = dict[str, Any]
Handler = Callable[[Params, Caller], Awaitable[Params]]


class Service(Protocol):
    """One API: the name in the credential scope, its version and its actions."""

    name: str
    version: str

    @property
    def actions(self) -> Mapping[str, Handler]:
        """Every action that is implemented, by its documented name."""
        ...
