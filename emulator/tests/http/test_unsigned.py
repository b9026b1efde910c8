# SPDX-License-Identifier: Apache-2.0
"""Nothing is executed for anybody who does not have the key: the runner is the real one, the command leaves a trace."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from helpers.emulator_calls import PLACEMENT, job
from helpers.signed_client import SignedClient, sign_tc3, until

from tencent_batch_emulator.emulator import Emulator


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with Emulator(work_dir=tmp_path / "jobs") as running:
        yield running


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


@pytest.fixture
def body(trace: Path) -> bytes:
    return json.dumps({"Placement": PLACEMENT, "Job": job(f"touch {trace}")}).encode()


def signed(client: SignedClient, body: bytes, *, secret_key: str = "", service: str = "batch", age: int = 0) -> Any:
    headers = {
        "content-type": "application/json",
        "host": client.host,
        "x-tc-action": "SubmitJob",
        "x-tc-version": "2017-03-12",
        "x-tc-region": "ap-guangzhou",
        "x-tc-timestamp": str(int(time.time()) - age),
    }
    key = secret_key or client.secret_key
    parts: dict[str, Any] = {"method": "POST", "query": "", "payload": body, "service": service}
    return {**headers, "authorization": sign_tc3(headers, client.secret_id, key, **parts)}


async def test_a_job_runs_only_for_its_own_signature(
    emulator: Emulator, client: SignedClient, body: bytes, trace: Path
) -> None:
    right = signed(client, body)
    unknown = SignedClient(client.endpoint, "AKIDnobody", client.secret_key, time.time)
    wrong: dict[str, dict[str, str]] = {
        "no signature": {name: value for name, value in right.items() if name != "authorization"},
        "an empty one": {**right, "authorization": ""},
        "another scheme": {**right, "authorization": f"Bearer {client.secret_key}"},
        "another key": signed(client, body, secret_key="x" * 32),
        "an unknown id": signed(unknown, body),
        "another body": signed(client, body + b" "),
        "another service": signed(client, body, service="tdmq"),
        "an old one": signed(client, body, age=900),
        "one of tomorrow": signed(client, body, age=-900),
        "another host": {**right, "host": "batch.tencentcloudapi.com"},
        "another content type": {**right, "content-type": "application/json; charset=utf-8"},
    }
    await unknown.http.aclose()
    for what, headers in wrong.items():
        response = await client.http.post("/", content=body, headers=headers)
        answer = response.json()["Response"]
        assert "JobId" not in answer, what
        assert answer["Error"]["Code"].startswith(("AuthFailure.", "NoSuchVersion", "InvalidAction")), what
    assert emulator.batch.job_rows() == []

    answer = (await client.http.post("/", content=body, headers=right)).json()["Response"]
    assert "JobId" in answer, "the requests above were refused for another reason"
    await until(trace.exists)


async def test_what_a_browser_can_be_made_to_send_runs_nothing(
    emulator: Emulator, client: SignedClient, body: bytes
) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        for path in ("/", "/?Action=SubmitJob&Version=2017-03-12"):
            headers = {"content-type": content_type, "origin": "http://example.org"}
            await client.http.post(path, content=body, headers=headers)
            await client.http.get(path, headers={"origin": "http://example.org"})
    assert emulator.batch.job_rows() == []
    assert emulator.requests.count(code="OK") == 0


async def test_messages_come_and_go_only_for_the_right_signature(emulator: Emulator, client: SignedClient) -> None:
    queue = emulator.broker.create_queue("jobs")
    right = client.cmq_params("SendMessage", "POST", queueName="jobs", msgBody="a")
    for changed in (
        {"Signature": ""},
        {"msgBody": "b"},
        {"queueName": "other"},
        {"Action": "ClearQueue"},
        {"SecretId": "AKIDnobody"},
        {"Timestamp": "1534154812"},
        {"Nonce": "7"},
        {"Token": "of somebody"},
    ):
        response = await client.cmq_response({**right, **changed})
        assert response.json()["code"] in (4000, 4100), changed
    assert queue.active_count == 0

    assert (await client.cmq_response(right)).json()["code"] == 0
    assert (await client.cmq_response(right)).json()["code"] == 4100, "the same request again"
    assert queue.active_count == 1
