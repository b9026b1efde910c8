# SPDX-License-Identifier: Apache-2.0
"""
One HTTP request and its answer, as close to ASGI as thousands of them a second need it.

Work that may take long runs under :meth:`Request.while_connected`: it ends when its client has gone, so a dead reader
does not take a message with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from tencent_batch_emulator.admin.request_log import OK

T = TypeVar("T")

JSON = "application/json"
"""Exactly this: the vendor's SDK takes an error for a success when a charset follows."""

_DISCARD_FACTOR = 8


class ClientGone(Exception):
    """The client closed its connection before it had an answer."""


class ConnectionCut(Exception):
    """A fault wants this connection cut."""


class BodyTooLarge(Exception):
    """The request's body is larger than it may be."""


@dataclass(slots=True)
class Reply:
    """An answer."""

    body: bytes
    status: int = 200
    content_type: str = JSON


class BodyRoom:
    """
    The memory that bodies may take while they arrive, all connections together.

    :param size: Bytes.
    """

    def __init__(self, size: int = 256 * 1024 * 1024) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """
        Reserve memory.

        :raises ConnectionCut: When there is not as much.
        """
        if size > self.left:
            raise ConnectionCut
        self.left -= size


class Request:
    """
    A request of which the head has been read.

    :param room: Where the memory for its body comes from.
    """

    __slots__ = ("_receive", "_room", "headers", "method", "path", "query", "scope")

    def __init__(self, scope: Scope, receive: Receive, room: BodyRoom | None = None) -> None:
        self._receive = receive
        self._room = room or BodyRoom()
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

    async def body(self, limit: int) -> bytes:
        """
        Read the body.

        :param limit: Bytes.
        :raises BodyTooLarge: When there are more; they are read, within reason, so that the client sees the answer.
        :raises ClientGone: When the client left while sending.
        :raises ConnectionCut: When bodies of others take all the memory that there is for them.
        """
        message = await self._next()
        if not message.get("more_body", False) and len(message.get("body", b"")) <= limit:
            body: bytes = message.get("body", b"")
            return body
        kept = bytearray()
        try:
            size = 0
            while True:
                chunk = message.get("body", b"")
                size += len(chunk)
                if size <= limit:
                    self._room.take(len(chunk))
                    kept += chunk
                if not message.get("more_body", False) or size > limit * _DISCARD_FACTOR:
                    break
                message = await self._next()
        finally:
            self._room.left += len(kept)
        if size > limit:
            raise BodyTooLarge
        return bytes(kept)

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Wait for ``work`` as long as the client waits for it; only after the body has been read.

        :raises ClientGone: When it left; then the work has been cancelled.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGone
            return task.result()
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def _next(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message


@dataclass(slots=True)
class Exchange:
    """
    A request being answered, and what the request log will say about it, however it ends.

    :param service: ``batch``, ``tdmq``, ``sts`` or ``cmq``; ``?`` until it is known.
    :param action: Its documented name; ``?`` until it is known to exist.
    :param target: The queue, topic, job or environment that it names.
    :param code: ``OK`` or the error's code.
    :param secret_id: The key that signed it, once that is known.
    """

    request: Request
    service: str = "?"
    action: str = "?"
    target: str = ""
    code: str = OK
    secret_id: str = ""
    request_id: str = ""


async def send_reply(reply: Reply, date: bytes, send: Send) -> None:
    """Send an answer in one piece."""
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.content_type.encode()),
                (b"content-length", b"%d" % len(reply.body)),
                (b"date", date),
            ],
        }
    )
    await send({"type": "http.response.body", "body": reply.body})
