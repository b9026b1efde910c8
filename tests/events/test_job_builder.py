# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.job_builder import build_job, build_ladder
from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.batch.schema import JobSpec
from tencent_batch_emulator.services.batch.validation import check_job
from tencent_batch_emulator.services.tc3_schema import read

SERVER = {"image": "img-eb30mz89", "instance_type": "S5.MEDIUM2"}


def refused_by_the_api(job):
    try:
        check_job(read(job, JobSpec))
    except ApiError:
        return True
    return False


def test_a_command_and_a_server_are_enough():
    assert build_job("render", "blender -b", **SERVER) == {
        "JobName": "render",
        "Tasks": [
            {
                "TaskName": "main",
                "TaskInstanceNum": 1,
                "Application": {"DeliveryForm": "LOCAL", "Command": "blender -b"},
                "ComputeEnv": {
                    "EnvType": "MANAGED",
                    "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"},
                },
                "MaxRetryCount": 0,
            }
        ],
    }


def test_everything_goes_where_the_api_takes_it():
    job = build_job(
        "render",
        "run.sh",
        env_id="env-12345678",
        instances=20,
        env_vars={"FRAMES": 100},
        input_mappings={"cos://scenes.example/in/": "/data/in/"},
        output_mappings={"/data/out/": "cos://scenes.example/out/"},
        retries=2,
        timeout=timedelta(hours=1),
        failed_action="INTERRUPT",
        docker_image="blender:4",
        package_path="cos://scenes.example/run.tgz",
        log_path="cos://scenes.example/logs/",
        max_concurrent=5,
        task_name="frames",
        description="all frames",
        priority=7,
        tags={"team": "film"},
    )
    assert not refused_by_the_api(job)
    (task,) = job["Tasks"]
    assert task == {
        "TaskName": "frames",
        "TaskInstanceNum": 20,
        "Application": {
            "DeliveryForm": "PACKAGE",
            "Command": "run.sh",
            "PackagePath": "cos://scenes.example/run.tgz",
            "Docker": {"Image": "blender:4"},
        },
        "EnvId": "env-12345678",
        "MaxRetryCount": 2,
        "Timeout": 3600,
        "FailedAction": "INTERRUPT",
        "MaxConcurrentNum": 5,
        "EnvVars": [{"Name": "FRAMES", "Value": "100"}],
        "InputMappings": [{"SourcePath": "cos://scenes.example/in/", "DestinationPath": "/data/in/"}],
        "OutputMappings": [{"SourcePath": "/data/out/", "DestinationPath": "cos://scenes.example/out/"}],
        "RedirectInfo": {
            "StdoutRedirectPath": "cos://scenes.example/logs/",
            "StderrRedirectPath": "cos://scenes.example/logs/",
        },
    }
    assert (job["JobDescription"], job["Priority"]) == ("all frames", 7)
    assert job["Tags"] == [{"Key": "team", "Value": "film"}]


def test_several_types_are_tried_in_order():
    job = build_job("j", "c", instance_type=["S5.A", "S5.B"], env_data={"InstanceChargeType": "SPOTPAID"})
    data = job["Tasks"][0]["ComputeEnv"]["EnvData"]
    assert data == {"InstanceTypes": ["S5.A", "S5.B"], "InstanceChargeType": "SPOTPAID"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "name is ''"),
        ({"name": "x" * 61}, "name has 61 characters, at most 60"),
        ({"command": "  "}, "command is '  '"),
        ({"command": None}, "command is None"),
        ({"image": "python:3.12"}, "goes into docker_image"),
        ({"instance_type": None}, "where shall the job run"),
        ({"instance_type": []}, "1 to 10 different types"),
        ({"instance_type": ["S5.A", "S5.A"]}, "1 to 10 different types"),
        ({"env_id": "env-12345678"}, "are both set"),
        ({"instances": 0}, "instances is 0, must be a whole number, 1 or more"),
        ({"instances": True}, "instances is True"),
        ({"instances": "three"}, "instances is 'three'"),
        ({"retries": 6}, "retries is 6, must be a whole number from 0 to 5"),
        ({"retries": -1}, "retries is -1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": timedelta(milliseconds=1)}, "timeout is 0"),
        ({"failed_action": "STOP"}, "one of TERMINATE, INTERRUPT, FAST_INTERRUPT"),
        ({"max_concurrent": 200_001}, "1 to 200000"),
        ({"priority": 101}, "0 to 100"),
        ({"description": "x" * 201}, "at most 200"),
        ({"env_vars": {"A": None}}, r"env_vars\['A'\] is None"),
        ({"env_vars": {"": "x"}}, "must be a text that is not empty"),
        ({"env_vars": ["A"]}, "env_vars is .*, must be a mapping"),
        ({"input_mappings": {"/data/": "cos://b/in/"}}, "a source in input_mappings is '/data/'"),
        ({"input_mappings": {"cos://b/in/": "data"}}, "a destination in input_mappings is 'data'"),
        ({"output_mappings": {"cos://b/out/": "/data/"}}, "a source in output_mappings"),
        ({"package_path": "run.tgz"}, "package_path is 'run.tgz', must be a storage path"),
        ({"tags": {str(number): "x" for number in range(11)}}, "tags has 11 entries"),
        ({"env_data": {"ImageId": "img-11111111"}}, "env_data repeats .*: ImageId"),
        ({"env_data": {"InstanceTypes": ["S5.A"]}}, "at most one of InstanceType, InstanceTypes"),
        ({"env_data": {"Zones": ["a"], "VirtualPrivateCloud": {}}}, "at most one of VirtualPrivateCloud"),
    ],
)
def test_what_the_api_would_refuse_is_refused_by_name(change, words):
    with pytest.raises(ValueError, match=words):
        build_job(**{"name": "render", "command": "true", **SERVER, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task_name": ""}, "task_name is ''"),
        ({"task_name": "x" * 61}, "task_name has 61 characters, at most 60"),
        ({"docker_image": " "}, "docker_image is ' '"),
        ({"image": None, "instance_type": None, "env_id": ""}, "env_id is ''"),
        ({"image": None, "instance_type": None}, r"where shall the job run\? Set instance_type"),
        ({"image": ""}, "image is ''"),
        ({"instance_type": ""}, "instance_type is ''"),
        ({"instance_type": 5}, "instance_type is an int, must be a type or a list of them"),
        ({"instance_type": [""]}, "an entry of instance_type is ''"),
        ({"failed_action": ""}, "failed_action is ''"),
        ({"env_data": ["x"]}, "env_data is a list, must be a mapping"),
        ({"log_path": ""}, "log_path is ''"),
        ({"log_path": None, "package_path": 5}, "package_path is an int"),
        ({"max_concurrent": 0}, "max_concurrent is 0"),
        ({"description": ""}, "description is ''"),
        ({"priority": -1}, "priority is -1"),
        ({"input_mappings": ["x"]}, "input_mappings is a list, must be a mapping"),
        ({"output_mappings": ["x"]}, "output_mappings is a list, must be a mapping"),
        ({"output_mappings": {"": "cos://b/out/"}}, "a source in output_mappings is ''"),
        ({"output_mappings": {"/data/": ""}}, "a destination in output_mappings is ''"),
        ({"output_mappings": {"/data/": "out"}}, "a destination in output_mappings is 'out'"),
        ({"env_data": {"ImageId": "i", "InstanceType": "t"}}, "env_data repeats .*: ImageId, InstanceType$"),
        ({"env_data": {"InstanceTypes": ["S5.A"]}}, ".*, not InstanceType and InstanceTypes$"),
        ({"instance_type": None, "env_id": "env-1"}, "env_id and a server of its own .* their image and type already$"),
        ({"image": None, "env_id": "env-1"}, "env_id and a server of its own"),
        ({"image": None, "instance_type": None, "env_data": {"Zones": []}, "env_id": "env-1"}, "env_id and a server"),
    ],
)
def test_a_refusal_begins_with_the_name_of_the_parameter(change, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        build_job(**{"name": "render", "command": "true", **SERVER, **change})


def test_what_is_just_within_the_limits_is_taken():
    tags = {str(number): "x" for number in range(10)}
    job = build_job("n" * 60, "c", **SERVER, timeout=1, tags=tags, description="d" * 200)
    assert not refused_by_the_api(job)
    assert job["Tasks"][0]["Timeout"] == 1


@pytest.mark.parametrize("count", [1, 10])
def test_as_many_types_as_the_api_takes_can_be_tried(count):
    types = [f"S5.{number}" for number in range(count)]
    job = build_job("j", "c", instance_type=types)
    assert job["Tasks"][0]["ComputeEnv"]["EnvData"] == {"InstanceTypes": types}


def test_a_template_is_left_for_the_api_to_judge():
    job = build_job(
        "{{ dag.dag_id }}-{{ run_id | replace(':', '-') }}-and-so-on-until-it-is-long",
        "{{ params.command }}",
        image="{{ params.image }}",
        instance_type="{{ params.instance_type }}",
        failed_action="{{ params.failed_action }}",
        instances="{{ params.instances }}",
        retries="{{ params.retries }}",
        timeout="{{ params.timeout }}",
        max_concurrent="{% if params.x %}1{% endif %}",
        priority="{{ params.priority }}",
        input_mappings={"{{ params.source }}": "{{ params.place }}"},
    )
    assert job["Tasks"][0]["ComputeEnv"]["EnvData"]["ImageId"] == "{{ params.image }}"
    assert job["Tasks"][0]["FailedAction"] == "{{ params.failed_action }}"
    assert job["Tasks"][0]["TaskInstanceNum"] == "{{ params.instances }}"
    assert (job["Tasks"][0]["Timeout"], job["Priority"]) == ("{{ params.timeout }}", "{{ params.priority }}")


def test_numbers_as_text_are_numbers():
    job = build_job("render", "true", **SERVER, instances="3", retries="2", timeout="60", priority="7")
    task = job["Tasks"][0]
    assert (task["TaskInstanceNum"], task["MaxRetryCount"], task["Timeout"], job["Priority"]) == (3, 2, 60, 7)


@given(
    name=st.text(max_size=80),
    instances=st.integers(-1, 50),
    retries=st.integers(-1, 8),
    timeout=st.none() | st.integers(-1, 100_000),
    priority=st.none() | st.integers(-1, 120),
    max_concurrent=st.none() | st.integers(-1, 200_010),
    failed_action=st.none() | st.sampled_from(["TERMINATE", "INTERRUPT", "FAST_INTERRUPT", "terminate"]),
    env_vars=st.none() | st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3)),
)
def test_the_api_takes_whatever_is_built(**given_values):
    name = given_values.pop("name")
    try:
        job = build_job(name, "true", **SERVER, **given_values)
    except ValueError:
        return
    assert "{{" in name or "{%" in name or not refused_by_the_api(job)


@pytest.mark.parametrize(
    "given",
    [{"env_vars": "PASSWORD=s3cret"}, {"name": "s3cret " * 20}, {"command": ["s3cret"]}, {"name": {"s3cret": 1}}],
)
def test_no_message_shows_what_may_be_a_secret(given):
    settings = {"name": "n", "command": "c", "instance_type": "S5.A", **given}
    with pytest.raises(ValueError, match=next(iter(given))) as caught:
        build_job(**settings)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("given", [{"tags": 5}, {"tags": "x"}, {"instance_type": 5}, {"instance_type": {"S5.A": 1}}])
def test_what_is_of_another_type_is_named(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} is "):
        build_job(**{"name": "n", "command": "c", "instance_type": "S5.A", **given})


LADDER = build_job("j", "true", image="img-eb30mz89", instance_type="S5.MEDIUM4")


def machines_of(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [job["Tasks"][0]["ComputeEnv"]["EnvData"] for job in jobs]


def test_a_ladder_has_the_job_once_for_each_machine() -> None:
    jobs = build_ladder(LADDER, ["S5.MEDIUM4", "S5.LARGE8"])
    assert jobs[0] == LADDER
    assert machines_of(jobs)[1] == {"InstanceType": "S5.LARGE8", "ImageId": "img-eb30mz89"}


def test_a_machine_may_be_fields_of_its_own() -> None:
    spot = {"InstanceChargeType": "SPOTPAID"}
    several = {"InstanceTypes": ["S5.LARGE8", "S5.LARGE16"], "ImageId": None}
    first, second = machines_of(build_ladder(LADDER, [spot, several]))
    assert first == {"InstanceType": "S5.MEDIUM4", "ImageId": "img-eb30mz89", **spot}
    assert second == {"InstanceTypes": ["S5.LARGE8", "S5.LARGE16"]}


def test_a_machine_may_be_in_another_zone() -> None:
    here, there = build_ladder(LADDER, ["S5.MEDIUM4", {"InstanceChargeType": "SPOTPAID", "Zone": "ap-guangzhou-7"}])
    assert here == LADDER
    assert there["Placement"] == {"Zone": "ap-guangzhou-7"}
    assert machines_of([there["Job"]])[0]["InstanceChargeType"] == "SPOTPAID"
    assert "Zone" not in machines_of([there["Job"]])[0]


@pytest.mark.parametrize("zone", ["", 7, ["ap-guangzhou-7"]])
def test_a_zone_is_text(zone: Any) -> None:
    with pytest.raises(ValueError, match="Zone is"):
        build_ladder(LADDER, [{"Zone": zone}])


@pytest.mark.parametrize("machines", [[], "S5.LARGE8"])
def test_a_ladder_needs_machines(machines: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^machines must be a list of at least one type of server, or of fields of EnvD"
    ):
        build_ladder(LADDER, machines)


def test_a_job_whose_server_is_not_described_gets_one() -> None:
    job = {"Tasks": [{"TaskName": "main", "ComputeEnv": {"EnvType": "MANAGED"}}]}
    assert build_ladder(job, ["S5.LARGE8"])[0]["Tasks"][0]["ComputeEnv"]["EnvData"] == {"InstanceType": "S5.LARGE8"}


def test_the_machines_of_an_environment_are_its_own() -> None:
    with pytest.raises(ValueError, match=r"^task 'main' has no ComputeEnv"):
        build_ladder(build_job("j", "true", env_id="env-ptoxdb1t"), ["S5.LARGE8"])
