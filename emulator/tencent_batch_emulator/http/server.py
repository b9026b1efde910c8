# SPDX-License-Identifier: Apache-2.0
"""
The emulator's one port: which endpoint answers a request, what the log notes about it, and the listening itself.

The two protocol routes are plain ASGI, because thousands of requests a second pass here; everything for people goes to
an application of its own. The ``Date`` header comes from the emulator's clock: clients learn the cloud's time from it.
A server binds to the loopback, and to anything else only when it is told so twice. What a connection may cost before
its request is known to be signed is bounded, in ``connections.py`` and by the room for bodies.
"""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tencent_batch_emulator.admin.request_log import CUT, LEFT, Call, RequestLog
from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.http.cmq_endpoint import CmqEndpoint
from tencent_batch_emulator.http.connections import BoundedHttp, IdleWatch
from tencent_batch_emulator.http.exchange import (
    BodyRoom,
    ClientGone,
    ConnectionCut,
    Exchange,
    Request,
    send_reply,
)
from tencent_batch_emulator.http.request_faults import HTTP_500
from tencent_batch_emulator.http.signatures import DATA_PLANE_PATH
from tencent_batch_emulator.http.tc3_endpoint import Tc3Endpoint

log = structlog.get_logger(__name__)

# The vendor's SDK keeps a connection for as long as it lives and does not expect it to be closed after a pause.
_KEEP_ALIVE = 120
_STOP_GRACE = 1
_BACKLOG = 2048


class Router:
    """
    Answer every request of the port.

    :param tc3: The TC3 APIs.
    :param cmq: The queue service's data plane.
    :param pages: The console page and the control endpoints.
    :param calls: The request log.
    :param clock: The emulator's clock.
    """

    def __init__(self, tc3: Tc3Endpoint, cmq: CmqEndpoint, pages: ASGIApp, calls: RequestLog, clock: Clock) -> None:
        self._tc3 = tc3
        self._cmq = cmq
        self._pages = pages
        self._calls = calls
        self._clock = clock
        self._room = BodyRoom()
        self._date = (0, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request.

        :raises ConnectionCut: When the connection is to be closed instead.
        """
        if scope["type"] != "http":
            return
        if scope["path"] == DATA_PLANE_PATH:
            endpoint: Tc3Endpoint | CmqEndpoint = self._cmq
        elif _is_api_call(scope):
            endpoint = self._tc3
        else:
            await self._pages(scope, receive, send)
            return
        exchange = Exchange(Request(scope, receive, self._room))
        began = time.monotonic()
        try:
            reply = await endpoint.answer(exchange)
            await send_reply(reply, self._date_header(), send)
        except ConnectionCut:
            exchange.code = CUT
            raise
        except ClientGone:
            exchange.code = LEFT
        except Exception:
            exchange.code = HTTP_500
            raise
        finally:
            self._note(exchange, time.monotonic() - began)

    def _note(self, exchange: Exchange, seconds: float) -> None:
        headers = exchange.request.headers
        self._calls.add(
            Call(
                self._clock.time(),
                exchange.service,
                exchange.action,
                exchange.target,
                exchange.code,
                seconds,
                exchange.secret_id,
                exchange.request_id,
                headers.get("x-tc-requestclient") or headers.get("user-agent", ""),
            )
        )

    def _date_header(self) -> bytes:
        second = int(self._clock.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True).encode())
        return self._date[1]


def _is_api_call(scope: Scope) -> bool:
    """Whether a request for ``/`` is a program's: anything but a bare GET is answered as the cloud does."""
    if scope["path"] != "/":
        return False
    if scope["method"] not in ("GET", "HEAD"):
        return True
    names = {name for name, _ in scope["headers"]}
    return b"x-tc-action" in names or any(
        name == b"authorization" and value.startswith(b"TC3-") for name, value in scope["headers"]
    )


class Server:
    """
    Listen, and answer with an application.

    :param app: The application.
    :param host: The address to bind.
    :param port: The port; 0 for a free one.
    :param patience: Seconds that a client has to send its next request whole.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, *, patience: float = _KEEP_ALIVE) -> None:
        self.host = host
        self.port = port
        self._app = app
        config = uvicorn.Config(
            self._answer,
            http=BoundedHttp,
            interface="asgi3",
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            log_level="warning",
            date_header=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
            backlog=_BACKLOG,
        )
        self._config = config
        self._patience = patience
        self._watching: asyncio.Task[None] | None = None
        self._uvicorn = uvicorn.Server(config)

    async def start(self) -> None:
        """
        Bind and listen.

        :raises OSError: When the address cannot be bound, with the address in its text.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # Named, because asyncio switches Nagle's delay off only for sockets that say they are TCP; with it, each answer
        # to a blocking client waits 40 ms between its head and its body.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except OSError as error:
            listener.close()
            raise OSError(error.errno, f"cannot listen on {self.host} port {self.port}: {error.strerror}") from None
        self.port = listener.getsockname()[1]
        self._config.load()
        self._uvicorn.lifespan = self._config.lifespan_class(self._config)
        await self._uvicorn.startup(sockets=[listener])
        self._watching = asyncio.get_running_loop().create_task(self._drop_idle(), name="emulator-idle-connections")

    async def stop(self) -> None:
        """Stop listening and end every connection, long polls included; takes at most about a second."""
        # Not uvicorn's own shutdown: it pauses a tenth of a second at least, in each of a user's many tests, and leaves
        # what it cancels to itself.
        if self._watching is not None:
            self._watching.cancel()
        for listener in self._uvicorn.servers:
            listener.close()
        self._abort_connections()
        if answers := set(self._uvicorn.server_state.tasks):
            _, late = await asyncio.wait(answers, timeout=_STOP_GRACE)
            for answer in late:
                answer.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for listener in self._uvicorn.servers:
            await listener.wait_closed()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ConnectionCut:
            self._abort_connections(scope["client"])
            # The server would send an answer of its own if it did not see the end of the connection first.
            while (await receive())["type"] != "http.disconnect":
                pass

    async def _drop_idle(self) -> None:
        watch = IdleWatch(self._patience)
        while True:
            await asyncio.sleep(self._patience / 4)
            for connection in watch.overdue(list(self._uvicorn.server_state.connections)):
                connection.transport.abort()

    def _abort_connections(self, client: object = None) -> None:
        connections: list[Any] = list(self._uvicorn.server_state.connections)
        for connection in connections:
            if client is None or connection.client == client:
                connection.transport.abort()
