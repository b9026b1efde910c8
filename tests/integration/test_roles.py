# SPDX-License-Identifier: Apache-2.0
"""On real Airflow, waits in the triggerer and on a worker outlive the keys of the role that they use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from devtools.airflow_stack.airflow_api import AirflowApi, TokenAuth
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT, wait_until

TOPIC = "role-events"
QUEUE = "role-waits"
DAG = "role_waits"
LASTS = 40
"""Seconds that a key of the role lasts; it is renewed in the middle."""


def calls_of(emulator: CloudAddress, **query: str) -> list[dict[str, Any]]:
    """Return the calls that the emulator has logged, the newest first."""
    address = f"{emulator.endpoint}/_emulator/requests"
    auth = (emulator.secret_id, emulator.secret_key)
    answer = httpx.get(address, params={"limit": "10000", **query}, auth=auth, trust_env=False, timeout=LIMIT)
    return list(answer.raise_for_status().json()["requests"])


def keys_of(emulator: CloudAddress, action: str, target: str = "") -> set[str]:
    """Return the ids of the temporary keys that an action was called with."""
    calls = [call for call in calls_of(emulator, action=action) if target in ("", call["target"])]
    return {call["secret_id"] for call in calls} - {emulator.secret_id}


def test_waits_outlive_the_keys_of_their_role(
    stack: AirflowStack, airflow: AirflowApi, emulator: CloudAddress, tmp_path: Path
) -> None:
    provision(emulator, TOPIC, QUEUE)
    before = len(calls_of(emulator, action="AssumeRole"))
    own = emulator.connection()
    extra = {
        **dict(own["extra"]),  # type: ignore[call-overload]
        "sts_endpoint": emulator.endpoint,
        "role_arn": "qcs::cam::uin/1250000001:roleName/airflow",
        "role_duration_seconds": LASTS,
    }
    with httpx.Client(
        base_url=f"{stack.address}/api/v2", trust_env=False, timeout=LIMIT, auth=TokenAuth(stack.address)
    ) as client:
        body = {**own, "connection_id": "with_role", "extra": json.dumps(extra)}
        client.post("/connections", json=body).raise_for_status()
        tested = client.post("/connections/test", json=body).raise_for_status().json()
    assert tested["status"], tested
    assert "to role qcs::cam::uin/1250000001:roleName/airflow, assumed with key" in tested["message"]

    airflow.unpause(DAG)
    run_id = airflow.trigger(DAG, {"gate": str(tmp_path / "open"), "topic": TOPIC, "queue": QUEUE})
    airflow.wait_for_states(DAG, run_id, "in_triggerer", {"deferred"}, count=1)
    # Three keys: the first of them has ended, and was renewed twice, while both tasks waited.
    wait_until(
        lambda: len(keys_of(emulator, "BatchReceiveMessage", QUEUE)) >= 3 or None,
        failure=lambda: f"the reader of {QUEUE} has used {keys_of(emulator, 'BatchReceiveMessage', QUEUE)}",
    )
    assert len(keys_of(emulator, "DescribeJobs")) >= 3
    (tmp_path / "open").touch()
    assert airflow.wait_for_run(DAG, run_id) == "success"

    calls = calls_of(emulator)
    answers = {call["code"] for call in calls if call["target"] == QUEUE and call["service"] == "cmq"}
    # 6020 is the answer to the question whether there is such a queue.
    assert answers <= {"OK", "7000", "LEFT", "6020"}, "renewed before their end, no key was ever refused"
    assumed = len(calls_of(emulator, action="AssumeRole")) - before
    assert assumed <= 20, "seldom: a few for each process"
    texts = [airflow.log(DAG, run_id, task_id) for task_id in ("in_triggerer", "on_worker")]
    assert not [text for text in texts if "cannot be renewed" in text or "Cannot poll" in text]
