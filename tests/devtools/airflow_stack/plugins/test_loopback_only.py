# SPDX-License-Identifier: Apache-2.0
"""Doors left open: the demo's Airflow has no login, so a page in this machine's browser must not get in."""

from __future__ import annotations

from typing import Any

import pytest

from devtools.airflow_stack.plugins.loopback_only import LoopbackOnly


class Door:
    """The check with an application behind it that notes what came through."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.sent: list[dict[str, Any]] = []

    async def __call__(self, kind: str = "http", **headers: str | list[str]) -> bool:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            self.passed.append(scope["type"])

        async def send(message: Any) -> None:
            self.sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing of a refused request is read")

        values = [(name, [value] if isinstance(value, str) else value) for name, value in headers.items()]
        raw = [(name.encode(), one.encode("latin-1")) for name, several in values for one in several]
        before = len(self.passed)
        await LoopbackOnly(app)({"type": kind, "headers": raw}, receive, send)
        return len(self.passed) > before


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"])
async def test_own_names_are_let_in(door: Door, host: str) -> None:
    assert await door(host=host)
    assert await door(host=host, origin=f"http://{host}")
    assert door.sent == []


@pytest.mark.parametrize(
    "host", ["evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", "0.0.0.0:8080", "\u00fc"]
)
async def test_foreign_names_are_refused(door: Door, host: str) -> None:
    assert not await door(host=host)
    assert door.sent[0]["status"] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8080"])
async def test_foreign_pages_are_refused(door: Door, origin: str) -> None:
    assert not await door(host="127.0.0.1:8080", origin=origin)


async def test_no_host_or_two_are_refused(door: Door) -> None:
    assert not await door()
    assert not await door(host=["127.0.0.1:8080", "evil.example"])


async def test_a_foreign_web_socket_is_closed(door: Door) -> None:
    assert not await door("websocket", host="evil.example")
    assert door.sent == [{"type": "websocket.close", "code": 1008}]


async def test_the_servers_own_start_and_end_pass(door: Door) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        door.passed.append(scope["type"])

    await LoopbackOnly(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert door.passed == ["lifespan"]
