# SPDX-License-Identifier: Apache-2.0
"""
Who may talk to the demo's Airflow, in which everybody is an administrator without a login: this machine's own names.

A web page can make a browser on this machine send requests here. If the page's name was made to point at the loopback
(DNS rebinding), they name that page as their Host; if the page just posts, they name it as their Origin. Both are
refused, on every route, before anything else sees them. Workers and the command line send neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from tencent_batch_emulator.loopback import is_loopback

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_REFUSAL = b"This Airflow answers only to the names of this machine itself.\n"


class LoopbackOnly:
    """
    Refuse what names another host than the loopback, or comes from another page than our own.

    :param app: What answers everything else.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; HTTP 403 for a foreign one."""
        if scope["type"] == "lifespan" or _is_own(scope["headers"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_REFUSAL))]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})


def _is_own(headers: list[tuple[bytes, bytes]]) -> bool:
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    return len(hosts) == 1 and is_loopback(hosts[0]) and all(origin == f"http://{hosts[0]}" for origin in origins)


class LoopbackOnlyPlugin(AirflowPlugin):
    """Put the check before all of Airflow's routes."""

    name = "loopback_only"
    fastapi_root_middlewares = [{"name": "loopback only", "middleware": LoopbackOnly}]  # noqa: RUF012 - Airflow's form
