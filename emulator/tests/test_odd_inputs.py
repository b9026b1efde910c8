# SPDX-License-Identifier: Apache-2.0
"""Whatever anybody sends, with a key or without: a refusal in the door's own form, no HTTP 500, no traceback."""

from __future__ import annotations

import json
import logging
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from helpers.action_trials import make_world
from helpers.odd_inputs import CONTENT_TYPES, RAW, OddInputs
from helpers.signed_client import SignedClient
from helpers.vendor_actions import TRIALS, World

from tencent_batch_emulator.admin.admin_api import PREFIX
from tencent_batch_emulator.admin.request_log import KEPT, MAX_COUNTERS, MAX_TARGET, MAX_TEXT, Call, RequestLog
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.http.cmq_endpoint import ACTIONS
from tencent_batch_emulator.services.batch.settings import Delays

INPUTS = 600
FAULTS: dict[str, Any] = {"effect": "error", "action": "NoSuchAction", "code": "X", "next": 1, "seconds": 1}
CONTROL = ("requests", "counters", "faults", "faults/1", "clock", "nothing")
PAGES = ("", "console/jobs/", "console/envs/", "console/queues/", "console/topics/", "console/requests")
ROLE = {"RoleArn": "qcs::cam::uin/1250000001:roleName/any", "RoleSessionName": "me", "DurationSeconds": 900}


@pytest.fixture
async def emulator(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Emulator]:
    """An emulator that must have nothing to complain about."""
    with structlog.testing.capture_logs() as logs:
        async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as running:
            yield running
    assert [one for one in logs if one["log_level"] in ("error", "critical")] == []
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


@pytest.fixture
def odd() -> OddInputs:
    return OddInputs(13)


async def send(http: httpx.AsyncClient, method: str, url: str, **options: Any) -> httpx.Response:
    answer = await http.request(method, url, **options)
    assert answer.status_code < 500, (method, url[:200], options, answer.text[:500])
    return answer


async def test_the_control_endpoints(emulator: Emulator, client: SignedClient, odd: OddInputs) -> None:
    auth = httpx.BasicAuth(emulator.secret_id, emulator.secret_key)
    for _ in range(INPUTS):
        if odd.rng.random() < 0.1:
            await client.api("DescribeJobs")
        url = f"{PREFIX}/{odd.rng.choice(CONTROL)}"
        if odd.rng.random() < 0.3:
            url += f"{odd.rng.choice('/?')}{odd.path()}"
        if odd.rng.random() < 0.5:
            url += f"{'&' if '?' in url else '?'}limit={odd.path()}&action={odd.path()}"
        answer = await send(
            client.http,
            odd.rng.choice(("GET", "POST", "POST", "POST", "DELETE", "PUT")),
            url,
            content=odd.body(odd.rng.choice((FAULTS, {"advance": 1}))),
            headers={"content-type": odd.rng.choice(("application/json", *CONTENT_TYPES))},
            auth=auth if odd.rng.random() < 0.9 else None,
        )
        if answer.status_code == 400:
            assert answer.json()["error"]
    emulator.faults.clear()
    assert (await client.api("DescribeJobs"))["RequestId"]


@pytest.mark.parametrize("path", ["faults", "clock"])
async def test_what_is_no_json_is_told_so(emulator: Emulator, client: SignedClient, path: str) -> None:
    auth = httpx.BasicAuth(emulator.secret_id, emulator.secret_key)
    headers = {"content-type": "application/json"}
    for raw in RAW:
        answer = await client.http.post(f"{PREFIX}/{path}", content=raw, headers=headers, auth=auth)
        assert (answer.status_code, bool(answer.json()["error"])) == (400, True), raw[:100]


async def world_and_actions(emulator: Emulator) -> list[tuple[str, str, dict[str, Any]]]:
    worlds: dict[str, World] = {service: await make_world(emulator, service) for service in TRIALS}
    calls = [
        (service, action, trial.params(worlds[service]))
        for service, trials in TRIALS.items()
        for action, trial in trials.items()
    ]
    return [*calls, ("sts", "AssumeRole", ROLE)]


async def test_signed_calls_of_every_action(emulator: Emulator, client: SignedClient, odd: OddInputs) -> None:
    calls = await world_and_actions(emulator)
    for _ in range(INPUTS):
        service, action, params = odd.rng.choice(calls)
        answer = (await client.api_response(action, service=service, content=odd.body(params))).json()["Response"]
        assert answer.get("Error", {}).get("Code") != "InternalError", (action, answer)


async def test_signed_calls_by_get(client: SignedClient, odd: OddInputs) -> None:
    names = (
        "Filters.0.Name",
        "Filters.0.Values.1",
        "Limit",
        "Offset",
        "a." * 40,
        "Filters." + "9" * 5000,
        "..",
        "JobIds.-1",
    )
    for _ in range(INPUTS // 3):
        params = {odd.rng.choice((*names, odd.path())): odd.path() for _ in range(3)}
        answer = (await client.api_response("DescribeJobs", params, method="GET")).json()["Response"]
        assert answer.get("Error", {}).get("Code") != "InternalError", (params, answer)


async def test_calls_without_a_key(client: SignedClient, odd: OddInputs) -> None:
    names = ("authorization", "x-tc-action", "x-tc-version", "x-tc-timestamp", "x-tc-region", "host", "x-tc-token")
    scope = "2026-01-01/batch/tc3_request, SignedHeaders=content-type;host, Signature=" + "0" * 64
    for _ in range(INPUTS):
        headers = {name: odd.header().encode("latin-1") for name in odd.rng.sample(names, 4)}
        if odd.rng.random() < 0.5:
            headers["authorization"] = f"TC3-HMAC-SHA256 Credential={client.secret_id}/{scope}".encode()
        content = odd.body(ROLE)
        answer = await send(client.http, odd.rng.choice(("GET", "POST", "PUT")), "/", content=content, headers=headers)
        assert "JobId" not in answer.text


async def test_the_data_plane(emulator: Emulator, client: SignedClient, odd: OddInputs) -> None:
    emulator.broker.create_queue("jobs")
    emulator.broker.create_topic("events")
    names = ("queueName", "topicName", "msgBody", "numOfMsg", "delaySeconds", "receiptHandle", "msgTag.0", "routingKey")
    lists = ("msgBody.0", "msgBody." + "9" * 5000, "receiptHandle.1", "receiptHandle.\u0663")
    for _ in range(INPUTS):
        params = {"queueName": "jobs", "topicName": "events", "msgBody": "x", "pollingWaitSeconds": 0}
        for name in odd.rng.sample((*names, *lists), 3):
            text = odd.text() if odd.rng.random() < 0.8 else str(odd.value())
            params[name] = text.encode("utf-8", "replace").decode()
        sent = client.cmq_params(odd.rng.choice(sorted(ACTIONS)), "POST", **params)
        if odd.rng.random() < 0.3:
            name = odd.rng.choice(("Timestamp", "Nonce", "Signature", "SecretId", "Action", "SignatureMethod"))
            sent[name] = odd.text().encode("utf-8", "replace").decode()
        answer = (await client.cmq_response(sent)).json()
        assert answer["code"] != 6000, (sent, answer)
    for _ in range(INPUTS // 3):
        await send(client.http, "POST", "/v2/index.php", content=odd.body({"Action": "SendMessage"}))
        await send(client.http, "GET", f"/v2/index.php?Action={odd.path()}&{odd.path()}={odd.path()}")


async def test_the_console(emulator: Emulator, client: SignedClient, odd: OddInputs) -> None:
    calls = await world_and_actions(emulator)
    for service, action, params in calls[:10]:
        await client.api_response(action, service=service, content=odd.body(params))
    for _ in range(INPUTS // 2):
        page, method = odd.rng.choice(PAGES), odd.rng.choice(("GET", "GET", "HEAD", "POST", "PATCH"))
        headers = {"host": odd.header().encode("latin-1") or "x"} if odd.rng.random() < 0.2 else {}
        await send(client.http, method, f"/{page}{odd.path() if page else ''}?{odd.path()}", headers=headers)


async def test_what_calls_without_a_key_leave_behind_is_bounded(emulator: Emulator, client: SignedClient) -> None:
    async def unsigned(number: int) -> None:
        long = f"{number}" * 10_000
        await client.http.post("/", content=long.encode(), headers={"x-tc-action": long[:50_000], "user-agent": long})
        await client.http.post("/v2/index.php", content=f"Action={long}&SecretId=AKID{long}&queueName={long}".encode())
        await client.http.get(f"/console/queues/{number}", headers={"host": f"{number}.example"})

    await unsigned(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(1, 150):
        await unsigned(number)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert len(emulator.requests.counters) < 10
    assert all(len(text) <= MAX_TEXT for call in emulator.requests for text in (call.action, call.target, call.client))
    assert grown < 3_000_000, "of some 40 MB"


def test_the_log_keeps_a_little_of_many_calls() -> None:
    log = RequestLog()
    for number in range(KEPT + 5000):
        log.add(Call(0.0, "s", "a", "\U0010ffff" * 3000, f"{number:06}" * 100, 0.0, "k" * 3000, "r", "c" * 3000))

    assert (len(log), len(log.counters), log.count()) == (KEPT, MAX_COUNTERS + 1, KEPT + 5000)
    assert {"service": "?", "action": "?", "code": "?", "count": 5000} in log.counters
    kept = log.last(1)[0]
    assert (len(kept.target), len(kept.client)) == (MAX_TARGET, MAX_TEXT)
    assert kept.target.endswith("...")
    assert kept.client.endswith("...")


def test_the_generator_makes_the_same_of_the_same_seed() -> None:
    one, two = OddInputs(1), OddInputs(1)

    assert [one.body(FAULTS) for _ in range(50)] == [two.body(FAULTS) for _ in range(50)]
    assert json.loads(json.dumps(one.value())) is not ...
