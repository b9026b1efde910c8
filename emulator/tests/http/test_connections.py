# SPDX-License-Identifier: Apache-2.0
"""What somebody without a key can make the emulator keep: half-sent heads and bodies, idle and many connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from helpers.signed_client import until
from starlette.types import Receive, Scope, Send

from tencent_batch_emulator.http import connections
from tencent_batch_emulator.http.exchange import BodyRoom, ClientGone, Reply, Request, send_reply
from tencent_batch_emulator.http.server import Server

LIMIT = 1_000_000
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"


class App:
    """Answers with the size of the body, after ``/slow`` has been let go."""

    def __init__(self) -> None:
        self.room = BodyRoom(300_000)
        self.let_go = asyncio.Event()
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self.room)
        try:
            body = await request.body(LIMIT)
        except ClientGone:
            self.left += 1
            return
        if request.path == "/slow":
            await self.let_go.wait()
        await send_reply(Reply(b"%d" % len(body)), b"a date", send)


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def serving(app: App, patience: float) -> AsyncIterator[Connect]:
    server = Server(app, "127.0.0.1", 0, patience=patience)
    await server.start()
    writers = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        await server.stop()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server closes the connection."""
    read = bytearray()
    with suppress(ConnectionResetError):
        while chunk := await asyncio.wait_for(reader.read(65536), 10):
            read += chunk
    return bytes(read)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    return await rest(reader) == b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nhost: x\r\n", HEAD, HEAD + b"half", HEAD + b"x" * 1000 + b"GET "],
    ids=["nothing", "half a line", "half a head", "no body", "half a body", "half a second request"],
)
async def test_a_client_that_sends_half_a_request_is_cut_off(sent: bytes) -> None:
    app = App()
    async with serving(app, patience=0.2) as connect:
        reader, writer = await connect()
        writer.write(sent)
        if sent.endswith(b"GET "):
            assert b" 200 " in await reader.readuntil(b"1000")
        assert await is_closed(reader)


async def test_dripping_bytes_do_not_win_time() -> None:
    app = App()
    async with serving(app, patience=0.2) as connect:
        reader, writer = await connect()
        writer.write(HEAD)
        end = asyncio.ensure_future(reader.read())
        for _ in range(1000):
            if end.done():
                break
            writer.write(b"x")
            await asyncio.sleep(0.01)
        assert end.done()
        await asyncio.gather(end, return_exceptions=True)
        await until(lambda: app.left == 1)


async def test_a_client_that_waits_for_an_answer_is_not_cut_off() -> None:
    app = App()
    async with serving(app, patience=0.1) as connect:
        reader, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        ending, other = await connect()
        assert await is_closed(ending), "the other connection shows that the watch has looked"
        app.let_go.set()
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        other.close()


@pytest.mark.parametrize(
    "endless",
    [b"GET /" + b"a" * 4096, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 700, b"GET / HTTP/1.1\r\nx: " + b"y" * 4096],
    ids=["path", "headers", "one header"],
)
async def test_a_head_without_end_is_refused(endless: bytes) -> None:
    async with serving(App(), patience=60) as connect:
        reader, writer = await connect()
        filler = b"x: y\r\n" * 700 if endless.endswith(b"\r\n") else b"a" * 4096
        writer.write(endless)
        for _ in range(2 * connections.MAX_HEAD // len(filler)):
            writer.write(filler)
        answer = await rest(reader)
        assert answer == b"" or b" 431 " in answer or b" 400 " in answer


async def test_no_more_connections_than_allowed_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    async with serving(App(), patience=60) as connect:
        kept = [await connect() for _ in range(3)]
        for reader, writer in kept:
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        reader, _ = await connect()
        assert await is_closed(reader)


async def test_bodies_together_take_bounded_memory() -> None:
    app = App()
    async with serving(app, patience=60) as connect:
        _, first = await connect()
        first.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 250000\r\n\r\n" + b"x" * 240_000)
        await until(lambda: app.room.left < 100_000)
        second, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 250000\r\n\r\n" + b"x" * 240_000)
        assert await is_closed(second)

        first.close()
        await until(lambda: app.room.left == 300_000)
        third, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 250000\r\n\r\n" + b"x" * 250_000)
        assert b" 200 " in await asyncio.wait_for(third.readuntil(b"\r\n"), 10)
    assert app.room.left == 300_000


async def test_an_answer_that_nobody_takes_frees_its_connection() -> None:
    class Large(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send_reply(Reply(b"x" * 30_000_000), b"a date", send)

    server = Server(Large(), "127.0.0.1", 0, patience=0.2)
    await server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        kept = server._uvicorn.server_state.connections
        await until(lambda: kept)
        await until(lambda: not kept)
    await server.stop()
