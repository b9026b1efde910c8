# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.batch_cloud import Cloud, job, task
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.batch.runners.scripted import FAILURES, Script, ScriptedRunner, parse_script


def test_a_command_tells_outcome_duration_and_exit_code() -> None:
    script = parse_script(" scripted: outcome=failed duration=3 exit_code=2 stderr='no such file' ")
    assert script == Script(outcome="failed", duration=3.0, exit_code=2, stderr="no such file")


def test_an_ordinary_command_is_not_a_script() -> None:
    assert parse_script("echo scripted: outcome=failed") is None


@given(st.text())
def test_any_text_after_the_prefix_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_script(f"scripted: {text}"), Script)


@pytest.mark.parametrize("text", ["outcome=perhaps", "duration=long", "color=red", "outcome", "failure=bad_luck"])
def test_an_unknown_setting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_script(f"scripted: {text}")


async def test_a_bad_script_fails_the_instance_and_says_why(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: outcome=perhaps")))
    cloud.clock.advance(5)
    assert (await cloud.instance(job_id))["ExitCode"] == 2
    assert "perhaps" in cloud.page(job_id)["Tasks"][0]["Instances"][0]["Stderr"]


async def test_a_mapping_gives_scripts_to_jobs_by_name(make_cloud: Callable[..., Cloud], tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"bad-*": {"outcome": "failed", "exit_code": 9}, "*": {"duration": 30}}))
    cloud = make_cloud(script=ScriptedRunner.read_file(path))
    bad = await cloud.submit(job(task("echo hello"), JobName="bad-one"))
    slow = await cloud.submit(job(task("echo hello"), JobName="other"))
    told = await cloud.submit(job(task("scripted: duration=1"), JobName="bad-two"))
    cloud.clock.advance(10)
    assert [await cloud.state(job_id) for job_id in (bad, slow, told)] == ["FAILED", "RUNNING", "SUCCEED"]
    assert (await cloud.instance(bad))["ExitCode"] == 9


def test_a_broken_mapping_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text('{"*": {"outcome": "perhaps"}}')
    with pytest.raises(ValueError, match=r"script\.json"):
        ScriptedRunner.read_file(path)


@pytest.mark.parametrize("name", FAILURES)
async def test_a_script_fails_in_a_named_way(cloud: Cloud, name: str) -> None:
    job_id = await cloud.submit(job(task(f"scripted: outcome=failed failure={name}")))
    cloud.clock.advance(5)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["ExitCode"]) == ("FAILED", FAILURES[name].exit_code)
    assert instance["StateDetailedReason"] == FAILURES[name].detail


async def test_a_termination_is_told_instead_of_the_scripted_failure(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: outcome=failed failure=bad_image duration=60")))
    cloud.clock.advance(5)
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(5)
    assert (await cloud.instance(job_id))["StateReason"] == "terminated by user"


@pytest.mark.parametrize(
    ("script", "data", "state", "exit_code"),
    [
        ("memory=6", {"InstanceType": "S5.MEDIUM4"}, "FAILED", 137),
        ("memory=6", {"InstanceType": "S5.LARGE8"}, "SUCCEED", 0),
        ("spot=reclaimed", {"InstanceType": "S5.MEDIUM4", "InstanceChargeType": "SPOTPAID"}, "FAILED", None),
        ("spot=reclaimed", {"InstanceType": "S5.MEDIUM4"}, "SUCCEED", 0),
    ],
)
async def test_how_a_script_goes_depends_on_its_machine(
    cloud: Cloud, script: str, data: dict[str, str], state: str, exit_code: int | None
) -> None:
    env = {"EnvType": "MANAGED", "EnvData": {"ImageId": "img-eb30mz89", **data}}
    job_id = await cloud.submit(job(task(f"scripted: {script}", ComputeEnv=env)))
    cloud.clock.advance(5)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["ExitCode"]) == (state, exit_code)
