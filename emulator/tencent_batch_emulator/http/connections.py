# SPDX-License-Identifier: Apache-2.0
"""
What one connection may cost before anything has been signed: how many there are, how large a request's head is, how
long they may keep us waiting.

The web server bounds neither of these by itself: its parser collects a head without end, and nothing times a head or a
body that arrives a byte at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 4096
MAX_HEAD = 256 * 1024
"""Bytes of a request line and headers: a message of 64 KB, percent-encoded in a GET, fits in."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """The web server's protocol with a bound on heads and on connections."""

    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._head = 0


class IdleWatch:
    """
    Find connections that have kept us waiting for too long.

    :param patience: Seconds that a client has to send its next request whole, and to take an answer.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: dict[Any, tuple[object, float]] = {}

    def overdue(self, connections: Iterable[Any]) -> list[Any]:
        """Return the connections whose client has been due for too long; to be asked again and again."""
        now = time.monotonic()
        waiting, found = {}, []
        for connection in connections:
            if not _is_clients_turn(connection):
                continue
            cycle, since = self._waiting.get(connection, (None, now))
            if cycle is not connection.cycle:
                since = now
            if now - since >= self._patience:
                found.append(connection)
            else:
                waiting[connection] = (connection.cycle, since)
        self._waiting = waiting
        return found


def _is_clients_turn(connection: Any) -> bool:
    cycle = connection.cycle
    is_sending = cycle is None or cycle.response_complete or cycle.more_body
    return bool(is_sending or connection.transport.get_write_buffer_size())
