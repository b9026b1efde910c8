# SPDX-License-Identifier: Apache-2.0
"""What SubmitJob refuses, each with the documented code, and that a refusal leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers.batch_cloud import Cloud, job, task
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.batch.schema import Dependence
from tencent_batch_emulator.services.batch.settings import Quotas
from tencent_batch_emulator.services.batch.validation import check_dependences


def env(**data: object) -> dict[str, Any]:
    return {"EnvData": {"InstanceType": "S5.MEDIUM4", **data}}


def notified(*names: str, topic: str = "t") -> list[dict[str, Any]]:
    return [{"TopicName": topic, "EventConfigs": [{"EventName": name} for name in names]}]


def application(**settings: object) -> dict[str, Any]:
    return {"Application": {"DeliveryForm": "LOCAL", **settings}}


def without(name: str, described: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in described.items() if key != name}


TWO = [task(name="a"), task(name="b")]
REFUSED = [
    ("MissingParameter", without("Tasks", job())),
    ("MissingParameter", job(without("Application", task()))),
    ("UnknownParameter", job(Color="red")),
    ("UnknownParameter", job(task(Color="red"))),
    ("InvalidParameterValue.InvalidDataTypeAny", job(Priority="high")),
    ("InvalidParameterValue.InvalidDataTypeAny", job(task(Timeout=[1]))),
    ("InvalidParameterValue", {"JobName": "x", "Tasks": []}),
    ("InvalidParameter.JobNameTooLong", job(JobName="x" * 61)),
    ("InvalidParameter.JobDescriptionTooLong", job(JobDescription="x" * 201)),
    ("InvalidParameterValue.Negative", job(Priority=-1)),
    ("InvalidParameterValue", job(Priority=101)),
    ("InvalidParameterValue", job(TaskExecutionDependOn="SOMETIMES")),
    ("InvalidParameterValue", job(StateIfCreateCvmFailed="SOMETIMES")),
    ("InvalidParameterValue", job(NotificationTarget="SQS")),
    ("InvalidParameterValue.LimitExceeded", job(Tags=[{"Key": str(n), "Value": "v"} for n in range(11)])),
    ("InvalidParameterValue", job(Tags=[{"Key": "k", "Value": "v"}] * 2)),
    ("InvalidParameter.NotificationTopicNameTooLong", job(Notifications=notified("JOB_FAILED", topic="t" * 65))),
    ("InvalidParameter.NotificationTopicName", job(Notifications=notified("JOB_FAILED", topic="1st topic"))),
    ("InvalidParameter.NotificationEventNameDuplicate", job(Notifications=notified("JOB_FAILED", "JobFailed"))),
    ("InvalidParameterValue", job(Notifications=notified("JOB_EXPLODED"))),
    ("InvalidParameterValue", job(Notifications=notified("COMPUTE_ENV_CREATED"))),
    ("InvalidParameterValue", job(Notifications=notified())),
    ("InvalidParameter.TaskName", job(task(name="../../etc"))),
    ("InvalidParameter.TaskName", job(task(), task())),
    ("InvalidParameter.TaskNameTooLong", job(task(name="x" * 61))),
    ("AllowedOneAttributeInEnvIdAndComputeEnv", job(task(EnvId="env-00000000", ComputeEnv=env()))),
    ("AllowedOneAttributeInEnvIdAndComputeEnv", job(without("ComputeEnv", task()))),
    ("InvalidParameter.EnvIdMalformed", job(task(EnvId="env-1"))),
    ("ResourceNotFound.ComputeEnv", job(task(EnvId="env-00000000"))),
    ("InvalidParameterValue.TaskInstanceNum", job(task(TaskInstanceNum=0))),
    ("InvalidParameterValue.MaxRetryCount", job(task(MaxRetryCount=6))),
    ("InvalidParameterValue.Negative", job(task(MaxRetryCount=-1))),
    ("InvalidParameterValue.MaxRetryCount", job(task(ResourceMaxRetryCount=101))),
    ("InvalidParameterValue.Negative", job(task(Timeout=-1))),
    ("InvalidParameterValue", job(task(Timeout=0))),
    ("InvalidParameterValue", job(task(FailedAction="EXPLODE"))),
    ("InvalidParameterValue", job(task(**application(Command="x", DeliveryForm="MAIL")))),
    (
        "InvalidParameter.InvalidParameterCombination",
        job(task(**application(Command="x", Commands=[{"Command": "y"}]))),
    ),
    ("InvalidParameter.InvalidParameterCombination", job(task(**application()))),
    ("MissingParameter", job(task(**application(Command="x", DeliveryForm="PACKAGE")))),
    ("InvalidParameterValue.RemoteStoragePath", job(task(RedirectInfo={"StdoutRedirectPath": "/local"}))),
    ("InvalidParameterValue.RemoteStorageSchemeType", job(task(RedirectInfo={"StdoutRedirectPath": "ftp://host/x"}))),
    ("InvalidParameterValue.LocalPath", job(task(RedirectLocalInfo={"StdoutLocalPath": "here"}))),
    (
        "InvalidParameterValue.LocalPath",
        job(task(InputMappings=[{"SourcePath": "cos://bucket/x", "DestinationPath": "data"}])),
    ),
    ("InvalidParameterValue.LocalPath", job(task(ComputeEnv={**env(), "MountDataDisks": [{"LocalPath": "data"}]}))),
    ("InvalidParameter.InvalidParameterCombination", job(task(ComputeEnv=env(InstanceTypes=["S5.SMALL2"])))),
    (
        "InvalidParameterValue.InstanceTypeDuplicate",
        job(task(ComputeEnv={"EnvData": {"InstanceTypes": ["S5.SMALL2", "S5.SMALL2"]}})),
    ),
    (
        "InvalidParameterValue.LimitExceeded",
        job(task(ComputeEnv={"EnvData": {"InstanceTypes": [f"S5.LARGE{n}" for n in range(11)]}})),
    ),
    ("InvalidParameter.ImageIdMalformed", job(task(ComputeEnv=env(ImageId="ubuntu")))),
    ("InvalidParameter.CvmParameters", job(task(ComputeEnv=env(SystemDisk={"DiskSize": "big"})))),
    (
        "InvalidParameterValue.NotFloat",
        job(task(ComputeEnv=env(InstanceMarketOptions={"SpotOptions": {"MaxPrice": "cheap"}}))),
    ),
    (
        "InvalidParameterValue.DependenceNotFoundTaskName",
        job(*TWO, Dependences=[{"StartTask": "a", "EndTask": "c"}]),
    ),
    (
        "InvalidParameterValue.DependenceUnfeasible",
        job(*TWO, Dependences=[{"StartTask": "a", "EndTask": "b"}, {"StartTask": "b", "EndTask": "a"}]),
    ),
]


@pytest.mark.parametrize(("code", "described"), REFUSED)
async def test_a_bad_job_is_refused_and_leaves_no_trace(cloud: Cloud, code: str, described: dict[str, Any]) -> None:
    placement = {"Zone": "ap-guangzhou-6"}
    assert await cloud.error("SubmitJob", Placement=placement, Job=described, ClientToken="t") == code
    assert (await cloud.call("DescribeJobs"))["TotalCount"] == 0
    assert await cloud.call("SubmitJob", Placement=placement, Job=job(), ClientToken="t")


@pytest.mark.parametrize(
    ("code", "zone"),
    [
        ("InvalidZone.MismatchRegion", "nowhere"),
        ("InvalidParameterValue.InvalidZoneMismatchRegion", "ap-shanghai-2"),
        ("InvalidParameterValue.UnavailableZone", "ap-guangzhou-77"),
    ],
)
async def test_the_zone_must_lie_in_the_region(cloud: Cloud, code: str, zone: str) -> None:
    assert await cloud.error("SubmitJob", Placement={"Zone": zone}, Job=job()) == code


async def test_a_client_token_is_short_and_plain(cloud: Cloud) -> None:
    for token in ("x" * 65, "schlüssel"):
        code = await cloud.error("SubmitJob", Placement={"Zone": "ap-guangzhou-6"}, Job=job(), ClientToken=token)
        assert code == "InvalidParameterValue"


async def test_a_full_quota_is_freed_by_deleting(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(quotas=Quotas(jobs=1))
    first = await cloud.submit(job())
    assert await cloud.error("SubmitJob", Placement={"Zone": "ap-guangzhou-6"}, Job=job()) == "LimitExceeded.JobQuota"
    cloud.clock.advance(5)
    await cloud.call("DeleteJob", JobId=first)
    assert await cloud.submit(job())


async def test_numbers_may_come_as_text_and_null_as_absent(cloud: Cloud) -> None:
    described = job(task(Timeout="60", RestartComputeNode="TRUE", EnvVars=None), Priority="7")
    job_id = await cloud.submit(described)
    shown = await cloud.call("DescribeJobSubmitInfo", JobId=job_id)
    assert (shown["Priority"], shown["Tasks"][0]["Timeout"]) == (7, 60)
    assert shown["Tasks"][0]["RestartComputeNode"] is True


async def test_a_refusal_names_the_field_by_its_path(cloud: Cloud) -> None:
    with pytest.raises(ApiError, match=r"Job\.Tasks\[0\]\.Timeout"):
        await cloud.submit(job(task(Timeout="soon")))


edges = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(edges)
def test_dependences_that_only_go_forward_are_always_feasible(pairs: list[tuple[int, int]]) -> None:
    names = [str(number) for number in range(7)]
    check_dependences(names, [Dependence(start_task=str(min(p)), end_task=str(max(p))) for p in pairs if p[0] != p[1]])


@given(edges, st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True))
def test_a_circle_is_found_among_any_other_dependences(pairs: list[tuple[int, int]], circle: list[int]) -> None:
    closed = [*pairs, *zip(circle, [*circle[1:], circle[0]], strict=True)]
    with pytest.raises(ApiError, match="DependenceUnfeasible"):
        check_dependences(
            [str(number) for number in range(7)],
            [Dependence(start_task=str(start), end_task=str(end)) for start, end in closed],
        )
