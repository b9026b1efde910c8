# SPDX-License-Identifier: Apache-2.0
"""
A proxy in front of an emulator that replaces chosen answers, or lets them drip.

It is for what the emulator's fault plan cannot do: answers that are wrong in content, headers that lie, bodies that
never end. Requests are passed on with the Host that was signed, so signatures stay right.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import aiohttp

from devtools.waits import LIMIT


@dataclass(frozen=True)
class Call:
    """
    A request and the right answer to it.

    :param action: For example ``DescribeJobs``.
    :param date: The right answer's ``Date`` header.
    :param body: The right answer's body.
    """

    action: str
    status: int
    content_type: str
    date: str
    body: bytes

    def answered(self, *, body: bytes | None = None, date: str | None = None, drip: float | None = None) -> Reply:
        """Return the right answer, but for what is given."""
        headers = {"Content-Type": self.content_type, "Date": self.date if date is None else date}
        return Reply(self.body if body is None else body, self.status, headers, drip=drip)


@dataclass(frozen=True)
class Reply:
    """
    What is answered instead.

    :param cut_at: The byte of the body after which the connection is cut.
    :param drip: Seconds between two bytes; spaces follow the body, and the end never comes.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    drip: float | None = None


Spoil = Callable[[Call], "Reply | Awaitable[Reply | None] | None"]
"""Returns what to answer instead, or None for the right answer."""


class SpoilingProxy:
    """
    Serve in the running loop, as an asynchronous context manager.

    :param target: Where the emulator is.
    :param spoil: Decides for each answer.
    :param around: Entered while the emulator is asked.
    """

    def __init__(
        self, target: str, spoil: Spoil, around: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        self._target = target
        self._spoil = spoil
        self._around = around
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> SpoilingProxy:
        self._session = aiohttp.ClientSession(
            auto_decompress=False, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        rest: bytes | None = b""
        try:
            while rest is not None:
                rest = await self._answer(rest, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError, aiohttp.ClientError):
            # Cancelled at the end: asyncio's streams log a handler that ends cancelled.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, rest: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Answer a request of which some bytes may have been read; return those of the next one, None for no more."""
        head = (rest + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.strip().split("\r\n")
        method, path, _ = line.split(" ")
        headers = dict(field.split(": ", 1) for field in fields)
        length = next((value for name, value in headers.items() if name.lower() == "content-length"), "0")
        body = await reader.readexactly(int(length))
        # A caller that has gone away must not leave a long poll behind, which would take a message from others.
        peek = asyncio.ensure_future(reader.read(1))
        work = asyncio.ensure_future(self._pass_on(method, path, headers, body, writer))
        try:
            await asyncio.wait({peek, work}, return_when=asyncio.FIRST_COMPLETED)
            if peek.done() and not peek.result():
                return None
            if not await work:
                return None
            return peek.result() if peek.done() else b""
        finally:
            peek.cancel()
            work.cancel()
            await asyncio.gather(peek, work, return_exceptions=True)

    async def _pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        with self._around():
            call = await self._ask(method, path, headers, body)
        reply = self._spoil(call)
        if inspect.isawaitable(reply):
            reply = await reply
        return await _send(writer, reply or call.answered())

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Call:
        named = next((value for name, value in headers.items() if name.lower() == "x-tc-action"), None)
        action = named or parse_qs(body.decode("latin-1")).get("Action", [""])[0]
        async with self._session.request(
            method, self._target + path, headers=headers, data=body, allow_redirects=False
        ) as answer:
            content = await answer.read()
            kind, date = answer.headers.get("Content-Type", ""), answer.headers.get("Date", "")
            return Call(action, answer.status, kind, date, content)


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Send an answer; return whether the connection can be used on."""
    length = len(reply.body) if reply.drip is None else 10**9
    lines = [f"HTTP/1.1 {reply.status} -", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    writer.write("\r\n".join([*lines, "\r\n"]).encode("latin-1"))
    if reply.drip is not None:
        for byte in itertools.chain(reply.body, itertools.repeat(0x20)):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(reply.drip)
    writer.write(reply.body[: reply.cut_at])
    await writer.drain()
    return reply.cut_at is None


@contextmanager
def start_proxy(target: str, spoil: Spoil) -> Iterator[str]:
    """Run the proxy in a thread as long as the context lasts, for tests that block; yields its endpoint."""
    ready: Future[str] = Future()
    ended: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        ended.append(lambda: loop.call_soon_threadsafe(end.set))
        async with SpoilingProxy(target, spoil) as proxy:
            ready.set_result(proxy.endpoint)
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="spoiling-proxy", daemon=True)
    thread.start()
    try:
        yield ready.result(LIMIT)
    finally:
        if ended and thread.is_alive():
            ended[0]()
        thread.join(LIMIT)
