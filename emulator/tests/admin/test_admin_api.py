# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import httpx
import pytest
from helpers.signed_client import SignedClient

from tencent_batch_emulator.admin.admin_api import is_owner
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.keys import KeyRing


class Control:
    """The control endpoints, as somebody with the key uses them."""

    def __init__(self, emulator: Emulator, http: httpx.AsyncClient) -> None:
        self._auth = httpx.BasicAuth(emulator.secret_id, emulator.secret_key)
        self._http = http

    async def __call__(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        response = await self._http.request(method, f"/_emulator/{path}", auth=self._auth, **options)
        assert response.status_code == status, response.text
        return response.json()


@pytest.fixture
def control(emulator: Emulator, client: SignedClient) -> Control:
    return Control(emulator, client.http)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "requests"),
        ("DELETE", "requests"),
        ("GET", "counters"),
        ("GET", "faults"),
        ("POST", "faults"),
        ("DELETE", "faults"),
        ("DELETE", "faults/1"),
        ("GET", "clock"),
        ("POST", "clock"),
    ],
)
async def test_every_endpoint_asks_for_the_emulators_key(
    emulator: Emulator, client: SignedClient, method: str, path: str
) -> None:
    other = emulator.keys.create()
    for auth in (None, (emulator.secret_id, "wrong"), (other.secret_id, other.secret_key)):
        response = await client.http.request(method, f"/_emulator/{path}", auth=auth)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Basic")
        assert emulator.secret_key not in response.text


async def test_the_secret_key_is_a_bearer_token_too(emulator: Emulator, client: SignedClient) -> None:
    headers = {"Authorization": f"Bearer {emulator.secret_key}"}

    assert (await client.http.get("/_emulator/counters", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !!", "Bearer", "Bearer \u00fc", "Digest x", "Basic w6k="]
)
def test_what_is_no_key_is_refused(authorization: str) -> None:
    assert not is_owner(authorization, KeyRing().create())


async def test_calls_can_be_read_counted_and_forgotten(control: Control, client: SignedClient) -> None:
    await client.api("DescribeJobs")
    await client.api("DescribeJobs")
    await client.cmq("ReceiveMessage", queueName="nowhere")

    counters = await control("GET", "counters")
    assert counters["total"] == 3
    assert {"service": "batch", "action": "DescribeJobs", "code": "OK", "count": 2} in counters["counters"]

    requests = (await control("GET", "requests", params={"service": "cmq"}))["requests"]
    assert [(call["action"], call["target"], call["code"]) for call in requests] == [
        ("ReceiveMessage", "nowhere", "4440")
    ]
    assert len((await control("GET", "requests", params={"limit": "1"}))["requests"]) == 1
    assert client.secret_key not in str(await control("GET", "requests"))

    await control("DELETE", "requests")
    assert (await control("GET", "counters"))["total"] == 0
    assert "limit" in (await control("GET", "requests", 400, params={"limit": "all"}))["error"]


@pytest.mark.parametrize("number", ["1" * 5000, "-1", "", "1.5", "1e3", "\u0663", "\u00b2", "nan"])
async def test_what_is_no_number_is_refused(control: Control, number: str) -> None:
    assert "limit" in (await control("GET", "requests", 400, params={"limit": number}))["error"]
    if number:
        assert "number of a fault" in (await control("DELETE", f"faults/{number}", 400))["error"]


async def test_an_unexpected_failure_shows_no_traceback(
    emulator: Emulator, client: SignedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("what only the log may tell")

    monkeypatch.setattr(emulator.faults, "clear", fail)
    auth = httpx.BasicAuth(emulator.secret_id, emulator.secret_key)
    answer = await client.http.delete("/_emulator/faults", auth=auth)

    assert (answer.status_code, "log" in answer.json()["error"]) == (500, True)
    assert "only the log" not in answer.text


async def test_faults_can_be_added_listed_and_taken_back(
    emulator: Emulator, control: Control, client: SignedClient
) -> None:
    number = (await control("POST", "faults", 201, json={"effect": "http_500", "action": "Describe*", "next": 1}))[
        "number"
    ]

    assert (await client.api_response("DescribeJobs")).status_code == 500
    listed = (await control("GET", "faults"))["faults"]
    assert [(one["number"], one["used"], one["left"]) for one in listed] == [(number, 1, 0)]

    await control("DELETE", f"faults/{number}")
    assert "no fault number" in (await control("DELETE", f"faults/{number}", 404))["error"]
    emulator.faults.add(Fault(effect="drop"))
    await control("DELETE", "faults")
    assert emulator.faults.rules == ()


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"json": {"effect": "explode"}}, "effect"),
        ({"json": {"effect": "drop", "nxt": 1}}, "nxt"),
        ({"json": ["drop"]}, "object"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, "JSON"),
        ({"content": b'{"effect": "drop"}'}, "Content-Type"),
        ({"json": {"effect": "drop", "message": "x" * 100_000}}, "larger"),
    ],
)
async def test_a_fault_that_cannot_be_used_says_why(
    emulator: Emulator, control: Control, options: dict[str, Any], hint: str
) -> None:
    assert hint in (await control("POST", "faults", 400, **options))["error"]
    assert emulator.faults.rules == ()


async def test_the_clock_can_be_read_and_moved_forward(emulator: Emulator, control: Control) -> None:
    before = emulator.clock.time()
    answer = await control("POST", "clock", json={"advance": 90})

    assert answer["advanced"] == pytest.approx(90, abs=1)
    assert emulator.clock.time() >= before + 90
    assert (await control("GET", "clock"))["time"] >= before + 90


async def test_the_clock_stays_within_what_a_date_can_say(emulator: Emulator, control: Control) -> None:
    year = 366 * 24 * 3600
    emulator.clock.advance(100 * year - 10)

    assert "altogether" in (await control("POST", "clock", 400, json={"advance": 11}))["error"]


@pytest.mark.parametrize(
    "order", [{}, {"advance": -1}, {"advance": "1"}, {"advance": 1e12}, {"advance": True}, {"back": 1}, 3, []]
)
async def test_an_order_to_the_clock_that_makes_no_sense_is_refused(control: Control, order: Any) -> None:
    assert "advance" in (await control("POST", "clock", 400, json=order))["error"]
