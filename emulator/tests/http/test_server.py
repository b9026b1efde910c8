# SPDX-License-Identifier: Apache-2.0
"""The port itself, with an application that is not the emulator's."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from helpers.signed_client import until
from starlette.types import Receive, Scope, Send

from tencent_batch_emulator.http.exchange import ConnectionCut, Reply, send_reply
from tencent_batch_emulator.http.server import Server


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path; ``/cut`` has its connection cut."""
    if scope["path"] == "/cut":
        raise ConnectionCut
    await send_reply(Reply(scope["path"].encode()), b"a date", send)


async def test_no_answer_waits_for_the_acknowledgment_of_its_head() -> None:
    server = Server(echo, "127.0.0.1", 0)
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


async def test_a_cut_connection_has_no_answer_at_all() -> None:
    server = Server(echo, "127.0.0.1", 0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=10) as http:
        with pytest.raises(httpx.TransportError):
            await http.get("/cut")
        assert (await http.get("/next")).text == "/next"
    await server.stop()
