# SPDX-License-Identifier: Apache-2.0
"""
A call of a TC3 API as a value, before it is made.

Apart from the clients that make the call, because every DAG file that imports an operator imports this module. A
request never shows its parameters: job descriptions hold passwords.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

T = TypeVar("T")
Service = Literal["batch", "tdmq", "sts"]


class Request(msgspec.Struct, Generic[T], frozen=True):
    """
    One call of an API.

    :param service: Which API.
    :param action: Its action, for example ``DescribeJobs``.
    :param params: The action's parameters, in the API's own names.
    :param parse: Turns the fields of ``Response`` into a value.
    :param repeatable: Whether the call may be made again when the effect of the call before is unknown.
    """

    service: Service
    action: str
    params: dict[str, Any]
    parse: Callable[[dict[str, Any]], T]
    repeatable: bool = False

    def __repr__(self) -> str:
        return f"Request({self.service!r}, {self.action!r}, repeatable={self.repeatable})"


class Send(Protocol):
    """Makes a call and blocks until it is answered, as ``SdkClient.send`` does."""

    def __call__(self, request: Request[T], /) -> T:
        """
        Make the call.

        :return: What the request's parser makes of the answer.
        """
        ...
