# SPDX-License-Identifier: Apache-2.0
"""A request's body, its answer, and the work that ends when its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from tencent_batch_emulator.http.exchange import (
    BodyRoom,
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
    """Answers with the body; on ``/wait`` only after a long time."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.waiting = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
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


def arriving(*pieces: bytes, room: BodyRoom | None = None, whole: bool = True) -> Request:
    """Return a request whose body arrives in pieces; its client leaves when the body is not whole."""
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request"} if whole else {"type": "http.disconnect"})
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    return Request(scope, receive, room)


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(0, 60))
def test_pieces_are_the_body_or_too_large(pieces: list[bytes], limit: int) -> None:
    room = BodyRoom(100)
    body = b"".join(pieces)
    reading = arriving(*pieces, room=room).body(limit)
    if len(body) <= limit:
        assert asyncio.run(reading) == body
    else:
        with pytest.raises(BodyTooLarge):
            asyncio.run(reading)
    assert room.left == 100


async def test_a_client_that_leaves_gives_its_room_back() -> None:
    room = BodyRoom(100)
    with pytest.raises(ClientGone):
        await arriving(b"half", room=room, whole=False).body(LIMIT)
    assert room.left == 100


async def test_a_body_that_finds_no_room_is_cut_and_takes_none() -> None:
    room = BodyRoom(10)
    with pytest.raises(ConnectionCut):
        await arriving(b"x" * 8, b"x" * 8, room=room).body(LIMIT)
    assert room.left == 10


def test_room_that_is_not_there_is_not_taken() -> None:
    room = BodyRoom(10)
    room.take(10)
    with pytest.raises(ConnectionCut):
        room.take(1)
    assert room.left == 0


async def test_an_answer_has_one_date_and_no_charset(running: tuple[App, httpx.AsyncClient]) -> None:
    _, http = running
    headers = (await http.get("/")).headers

    assert headers["content-type"] == "application/json"
    assert headers.get_list("date") == ["a date"]
    assert "server" not in headers


async def test_work_for_a_client_that_left_is_given_up(running: tuple[App, httpx.AsyncClient]) -> None:
    app, http = running
    call = asyncio.ensure_future(http.get("/wait"))
    await asyncio.wait_for(app.waiting.wait(), 5)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    await asyncio.wait_for(app.left.wait(), 5)
