# SPDX-License-Identifier: Apache-2.0
"""
A server that answers what a test has scripted, byte for byte, and keeps what it was asked.

It is no cloud: the emulator is. It exists for what a well-behaved server never does, such as hanging, cutting the
connection or answering HTML.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.credentials.access import CloudAccess

SECRET_ID = "AKIDEXAMPLEEXAMPLEEXAMPLEEXAMPLE0000"
SECRET_KEY = "EXAMPLEKEYEXAMPLEKEYEXAMPLEKEY00"


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    body: bytes
    status: int
    content_type: str
    date: float | None
    cut_after: int | None = None
    headers: tuple[str, ...] = ()
    pause: float | None = None

    def to_bytes(self) -> bytes:
        head = [f"HTTP/1.1 {self.status} -", f"Content-Type: {self.content_type}", f"Content-Length: {len(self.body)}"]
        if self.date is not None:
            head.append(f"Date: {formatdate(self.date, usegmt=True)}")
        head += self.headers
        return ("\r\n".join(head) + "\r\n\r\n").encode() + self.body


class Dates(CloudClock):
    """A clock that keeps what it learns: Unix seconds, and whether the answer was a good one."""

    def __init__(self) -> None:
        super().__init__()
        self.learned: list[tuple[float, bool]] = []

    def learn(self, date: float | str | None, *, is_good: bool) -> None:
        super().learn(date, is_good=is_good)
        if isinstance(date, str):
            self.learned.append((parsedate_to_datetime(date).timestamp(), is_good))


class ScriptedCloud:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self._scheme = "http"
        self._hanging = 0
        self._changed = asyncio.Event()
        self._replies: deque[Reply | None] = deque()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.release = asyncio.Event()

    def answer(
        self,
        body: Any,
        *,
        status: int = 200,
        content_type: str = "application/json",
        date: float | None = None,
        times: int = 1,
        headers: tuple[str, ...] = (),
        pause: float | None = None,
    ) -> None:
        """
        Answer the next requests.

        :param body: Anything but bytes is sent as JSON.
        :param headers: Further lines of the head.
        :param pause: Seconds after each byte.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._replies.extend([Reply(content, status, content_type, date, headers=headers, pause=pause)] * times)

    def cut(self, *, after: bytes = b"", times: int = 1) -> None:
        """Close the connection instead of answering the next requests, perhaps in the middle of the answer."""
        reply = Reply(after, 200, "application/json", None, cut_after=10)
        self._replies.extend([reply if after else Reply(b"", 0, "", None, cut_after=0)] * times)

    def hang(self) -> None:
        """Do not answer the next request until ``release`` is set."""
        self._replies.append(None)

    async def until_hanging(self, count: int) -> None:
        """Wait until so many requests have been left without an answer."""
        while self._hanging < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 10)

    @property
    def endpoint(self) -> str:
        assert self._server is not None
        return f"{self._scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def access(self) -> CloudAccess:
        return CloudAccess.at_endpoint(self.endpoint, SECRET_ID, SECRET_KEY, source="connection 'test'")

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._scheme = "http" if tls is None else "https"
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # Cancelled by stop(): asyncio's streams log a handler that ends cancelled.
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(line, headers, body))
        reply = self._replies.popleft()
        if reply is None:
            self._hanging += 1
            self._changed.set()
            await self.release.wait()
            reply = self._replies.popleft()
            assert reply is not None, "a request hangs once"
        content = reply.to_bytes()
        if reply.cut_after is not None:
            head_length = content.index(b"\r\n\r\n") + 4
            writer.write(content[: head_length + reply.cut_after] if reply.cut_after else b"")
            await writer.drain()
            return False
        if reply.pause is None:
            writer.write(content)
            await writer.drain()
            return True
        for number in range(len(content)):
            writer.write(content[number : number + 1])
            await writer.drain()
            await asyncio.sleep(reply.pause)
        return True
