# SPDX-License-Identifier: Apache-2.0
"""The port itself, with an application that is not the emulator's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from helpers.signed_client import until
from starlette.types import Receive, Scope, Send

from tencent_batch_emulator.http.exchange import (
    BodyTooLarge,
    ClientGone,
    ConnectionCut,
    Reply,
    Request,
    send_reply,
)
from tencent_batch_emulator.http.server import Server

LIMIT = 1000


class App:
    """Answers by path: the body's size, a long wait, or nothing."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.waiting = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.path == "/cut":
            raise ConnectionCut
        if request.path == "/wait":
            await request.body(LIMIT)
            self.waiting.set()
            try:
                await request.while_connected(asyncio.sleep(60))
            except ClientGone:
                self.left.set()
            return
        try:
            body = await request.body(LIMIT)
        except BodyTooLarge:
            body = b"too large"
        await send_reply(Reply(body), b"a date", send)


@pytest.fixture
async def running() -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    app = App()
    server = Server(app, "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=10) as http:
        yield app, http
    await server.stop()


async def test_a_body_arrives_whole_up_to_its_limit(running: tuple[App, httpx.AsyncClient]) -> None:
    _, http = running

    for size in (0, 1, LIMIT):
        assert (await http.post("/", content=b"x" * size)).content == b"x" * size
    for size in (LIMIT + 1, LIMIT * 7):
        assert (await http.post("/", content=b"x" * size)).content == b"too large"


async def test_a_body_in_pieces_is_put_together(running: tuple[App, httpx.AsyncClient]) -> None:
    _, http = running

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece
            await asyncio.sleep(0.01)

    assert (await http.post("/", content=pieces())).content == b"abc"


async def test_an_answer_has_one_date_and_no_charset(running: tuple[App, httpx.AsyncClient]) -> None:
    _, http = running
    headers = (await http.get("/")).headers

    assert headers["content-type"] == "application/json"
    assert headers.get_list("date") == ["a date"]
    assert "server" not in headers


async def test_no_answer_waits_for_the_acknowledgment_of_its_head() -> None:
    server = Server(App(), "127.0.0.1", 0)
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    connections = server._uvicorn.server_state.connections
    await until(lambda: connections)
    (accepted,) = (connection.transport.get_extra_info("socket") for connection in connections)

    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    writer.close()
    await writer.wait_closed()
    await server.stop()


async def test_stopping_does_not_wait_for_work_that_does_not_end() -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.set()

    server = Server(app, "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        request = asyncio.ensure_future(http.get(f"http://127.0.0.1:{server.port}/"))
        await until(lambda: server._uvicorn.server_state.tasks)
        await asyncio.wait_for(server.stop(), 5)
        assert ended.is_set()
        with pytest.raises(httpx.TransportError):
            await request


async def test_a_cut_connection_has_no_answer_at_all(running: tuple[App, httpx.AsyncClient]) -> None:
    _, http = running

    with pytest.raises(httpx.TransportError):
        await http.get("/cut")
    assert (await http.get("/")).status_code == 200


async def test_work_for_a_client_that_left_is_given_up(running: tuple[App, httpx.AsyncClient]) -> None:
    app, http = running
    call = asyncio.ensure_future(http.get("/wait"))
    await asyncio.wait_for(app.waiting.wait(), 5)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    await asyncio.wait_for(app.left.wait(), 5)
