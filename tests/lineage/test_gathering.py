# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from support.emulator_helpers import address_of

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.lineage.gathering import MAX_READ, MAX_TOLD, gather, is_wanted, read_descriptions
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import SdkClient
from tencent_batch_emulator.faults.rules import Fault

PROVIDER = "airflow.providers.openlineage.conf"


@pytest.mark.parametrize("is_disabled", [True, False])
def test_it_is_wanted_where_openlineage_is_on(monkeypatch: pytest.MonkeyPatch, is_disabled: bool) -> None:
    monkeypatch.setitem(sys.modules, PROVIDER, SimpleNamespace(is_disabled=lambda: is_disabled))
    assert is_wanted() is not is_disabled


def test_it_is_not_wanted_where_nobody_has_loaded_openlineage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, PROVIDER, raising=False)
    assert not is_wanted()


def test_what_is_not_known_of_an_end_is_left_out() -> None:
    failed = Outcome("job-2", "FAILED", succeeded=False, failure=Failure("job-2", "FAILED", "exit_code", exit_code=3))
    gathered = gather([Outcome("job-1", "SUCCEED", succeeded=True, source="event"), failed], [], "ap-tokyo")
    assert (gathered.total, gathered.succeeded, gathered.region) == (2, 1, "ap-tokyo")
    assert gathered.jobs == [
        {"jobId": "job-1", "state": "SUCCEED", "endedBy": "event"},
        {"jobId": "job-2", "state": "FAILED", "endedBy": "api", "cause": "exit_code", "exitCode": 3},
    ]


def test_of_thousands_of_jobs_all_are_counted_and_some_are_told() -> None:
    gathered = gather([{"job_id": f"job-{n}", "state": "SUCCEED"} for n in range(3_000)], [], None)
    assert (gathered.total, gathered.succeeded, len(gathered.jobs)) == (3_000, 3_000, MAX_TOLD)


@pytest.fixture
def job_id(cloud: Any) -> str:
    env = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    mapping = {"SourcePath": "cos://b-1.cos.ap-guangzhou.myqcloud.com/in/", "DestinationPath": "/in/"}
    application = {"DeliveryForm": "LOCAL", "Command": "scripted: outcome=succeed"}
    task = {"TaskName": "main", "Application": application, "ComputeEnv": env, "InputMappings": [mapping]}
    with SdkClient(address_of(cloud).access()) as client:
        return client.send(batch.submit_job({"JobName": "j", "Tasks": [task]}, {"Zone": "ap-guangzhou-6"}, None))


def test_the_api_is_asked_what_a_job_was_submitted_with(job_id: str) -> None:
    (found,) = read_descriptions(BatchHook(), [job_id])
    assert found["JobName"] == "j"
    assert found["Tasks"][0]["InputMappings"][0]["SourcePath"] == "cos://b-1.cos.ap-guangzhou.myqcloud.com/in/"


def test_what_the_api_does_not_tell_is_left_out_at_once(cloud: Any, job_id: str) -> None:
    assert len(read_descriptions(BatchHook(), [job_id] * (MAX_READ + 5))) == MAX_READ
    assert read_descriptions(BatchHook(), [job_id], bound=0) == []
    cloud.add_fault(Fault(effect="error", action="DescribeJobSubmitInfo", code="InternalError"))
    assert read_descriptions(BatchHook(), [job_id]) == []
