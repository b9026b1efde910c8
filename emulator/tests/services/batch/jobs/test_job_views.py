# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from typing import Any

import pytest
from helpers.batch_cloud import START, Cloud, job, task

from tencent_batch_emulator.services.tc3_schema import iso

UNKNOWN = "job-00000000"


async def test_jobs_are_listed_newest_first_in_pages_of_twenty(cloud: Cloud) -> None:
    ids = [await cloud.submit(job()) for _ in range(25)]
    first = await cloud.call("DescribeJobs")
    rest = await cloud.call("DescribeJobs", Offset=20, Limit=100)
    assert first["TotalCount"] == rest["TotalCount"] == 25
    assert [one["JobId"] for one in first["JobSet"] + rest["JobSet"]] == ids[::-1]


async def test_unknown_ids_are_left_out_and_others_appear_once(cloud: Cloud) -> None:
    job_id = await cloud.submit(job())
    answer = await cloud.call("DescribeJobs", JobIds=[UNKNOWN, job_id, job_id], Limit=100)
    assert answer["TotalCount"] == 1
    [shown] = answer["JobSet"]
    assert (shown["JobId"], shown["JobState"], shown["EndTime"]) == (job_id, "SUBMITTED", None)
    assert shown["CreateTime"] == iso(START)
    assert shown["Placement"] == {"Zone": "ap-guangzhou-6", "ProjectId": 0}


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("InvalidParameter.JobIdMalformed", {"JobIds": [UNKNOWN, "job-1"]}),
        ("InvalidParameterValue.LimitExceeded", {"JobIds": [UNKNOWN] * 101}),
        (
            "InvalidParameter.InvalidParameterCombination",
            {"JobIds": [UNKNOWN], "Filters": [{"Name": "job-name", "Values": ["x"]}]},
        ),
        ("InvalidFilter", {"Filters": [{"Name": "color", "Values": ["red"]}]}),
        ("InvalidParameterValue.InvalidFilter", {"Filters": [{"Name": "job-state", "Values": ["DONE"]}]}),
        ("InvalidZone.MismatchRegion", {"Filters": [{"Name": "zone", "Values": ["moon"]}]}),
        ("InvalidParameterValue", {"Limit": 101}),
        ("InvalidParameterValue", {"Limit": 0}),
        ("InvalidParameterValue", {"Offset": -1}),
        ("UnknownParameter", {"JobId": UNKNOWN}),
    ],
)
async def test_a_bad_list_request_is_refused(cloud: Cloud, code: str, request_: dict[str, Any]) -> None:
    assert await cloud.error("DescribeJobs", **request_) == code


async def test_filters_are_anded_and_their_values_are_ored(cloud: Cloud) -> None:
    red = await cloud.submit(job(JobName="one", Tags=[{"Key": "team", "Value": "red"}]))
    blue = await cloud.submit(job(JobName="two", Tags=[{"Key": "team", "Value": "blue"}]))
    bare = await cloud.submit(job(JobName="two"))

    async def found(**filters: list[str]) -> set[str]:
        wanted = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
        return {one["JobId"] for one in (await cloud.call("DescribeJobs", Filters=wanted))["JobSet"]}

    assert await found(job_name=["one", "two"]) == {red, blue, bare}
    assert await found(job_name=["two"], **{"tag:team": ["red", "blue"]}) == {blue}
    assert await found(tag_key=["team"]) == {red, blue}
    assert await found(tag_value=["red"]) == {red}
    assert await found(job_id=[bare]) == {bare}
    assert await found(job_state=["SUBMITTED"], zone=["ap-guangzhou-6"]) == {red, blue, bare}
    assert await found(job_state=["SUCCEED"]) == set()


async def test_jobs_are_found_by_several_tags_and_show_them(cloud: Cloud) -> None:
    tags = [{"Key": "team", "Value": "red"}, {"Key": "cost", "Value": "1"}]
    await cloud.submit(job(Tags=tags[:1]))
    both = await cloud.submit(job(Tags=tags))
    by_both = [{"Name": f"tag:{tag['Key']}", "Values": [tag["Value"]]} for tag in tags]
    listed = await cloud.call("DescribeJobs", Filters=by_both)
    assert [(one["JobId"], one["Tags"]) for one in listed["JobSet"]] == [(both, tags)]
    assert listed["TotalCount"] == 1
    for action in ("DescribeJob", "DescribeJobSubmitInfo"):
        assert (await cloud.call(action, JobId=both))["Tags"] == tags


@pytest.mark.parametrize(
    ("action", "code", "request_"),
    [
        ("DescribeJob", "InvalidParameter.JobIdMalformed", {"JobId": "JOB-12345678"}),
        ("DescribeJob", "ResourceNotFound.Job", {"JobId": UNKNOWN}),
        ("DescribeJob", "MissingParameter", {}),
        ("DescribeJobSubmitInfo", "ResourceNotFound.Job", {"JobId": UNKNOWN}),
        ("DescribeTask", "ResourceNotFound.Task", {"JobId": UNKNOWN, "TaskName": "main"}),
        ("DescribeTaskLogs", "ResourceNotFound.Job", {"JobId": UNKNOWN, "TaskName": "main"}),
        ("TerminateJob", "ResourceNotFound.Job", {"JobId": UNKNOWN}),
        (
            "TerminateTaskInstance",
            "ResourceNotFound.TaskInstance",
            {"JobId": UNKNOWN, "TaskName": "main", "TaskInstanceIndex": 0},
        ),
        ("DeleteJob", "InvalidParameter.JobIdMalformed", {"JobId": "x"}),
        ("RetryJobs", "MissingParameter", {"JobIds": []}),
        ("RetryJobs", "InvalidParameterValue.LimitExceeded", {"JobIds": [UNKNOWN] * 101}),
    ],
)
async def test_what_is_not_there_is_told_in_the_actions_own_code(
    cloud: Cloud, action: str, code: str, request_: dict[str, Any]
) -> None:
    assert await cloud.error(action, **request_) == code


async def test_a_task_shows_its_instances_in_pages_and_by_state(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=10", TaskInstanceNum=5, MaxConcurrentNum=2)))
    cloud.clock.advance(3)
    answer = await cloud.call("DescribeTask", JobId=job_id, TaskName="main", Offset=1, Limit=2)
    assert answer["TaskInstanceTotalCount"] == 5
    assert [one["TaskInstanceIndex"] for one in answer["TaskInstanceSet"]] == [1, 2]
    running = [{"Name": "task-instance-state", "Values": ["RUNNING"]}]
    answer = await cloud.call("DescribeTask", JobId=job_id, TaskName="main", Filters=running)
    assert [one["TaskInstanceIndex"] for one in answer["TaskInstanceSet"]] == [0, 1]
    bad = [{"Name": "task-instance-state", "Values": ["DONE"]}]
    code = await cloud.error("DescribeTask", JobId=job_id, TaskName="main", Filters=bad)
    assert code == "InvalidParameterValue.InvalidFilter"


async def test_an_instance_shows_when_it_was_what(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=10")))
    assert (await cloud.instance(job_id))["LaunchTime"] is None
    cloud.clock.advance(20)
    shown = await cloud.instance(job_id)
    assert shown["CreateTime"] <= shown["LaunchTime"] <= shown["RunningTime"] < shown["EndTime"]
    assert (shown["ExitCode"], shown["StateDetailedReason"]) == (0, "successful")
    assert shown["RedirectInfo"]["StdoutRedirectFileName"] == f"stdout.{job_id}.main.0.log"


async def test_logs_give_the_last_2048_bytes_of_each_stream(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task(f"scripted: stdout={'a' * 3000}b stderr=oops", TaskInstanceNum=12)))
    cloud.clock.advance(5)
    answer = await cloud.call("DescribeTaskLogs", JobId=job_id, TaskName="main")
    assert (answer["TotalCount"], len(answer["TaskInstanceLogSet"])) == (12, 5)
    prefix, _, text = answer["TaskInstanceLogSet"][0]["StdoutLog"].partition(",")
    assert prefix == "data:text/plain;charset=utf-8;base64"
    assert base64.b64decode(text) == b"a" * 2047 + b"b"
    answer = await cloud.call("DescribeTaskLogs", JobId=job_id, TaskName="main", TaskInstanceIndexes=[11, 3])
    assert [one["TaskInstanceIndex"] for one in answer["TaskInstanceLogSet"]] == [11, 3]


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("InvalidParameterValue", {"Limit": 11}),
        ("InvalidParameterValue.Negative", {"Offset": -1}),
        ("InvalidParameterValue", {"Offset": 0, "TaskInstanceIndexes": [0]}),
        ("ResourceNotFound.TaskInstance", {"TaskInstanceIndexes": [1]}),
        ("ResourceNotFound.Task", {"TaskName": "other"}),
        ("InvalidParameter.TaskName", {"TaskName": "a b"}),
        ("InvalidParameter.TaskNameTooLong", {"TaskName": "a" * 61}),
    ],
)
async def test_a_bad_request_for_logs_is_refused(cloud: Cloud, code: str, request_: dict[str, Any]) -> None:
    job_id = await cloud.submit(job())
    assert await cloud.error("DescribeTaskLogs", **{"JobId": job_id, "TaskName": "main", **request_}) == code


async def test_submit_info_has_the_job_without_its_notifications(cloud: Cloud) -> None:
    described = job(task(EnvVars=[{"Name": "A", "Value": "b"}]), events=["JOB_FAILED"], JobDescription="why")
    shown = await cloud.call("DescribeJobSubmitInfo", JobId=await cloud.submit(described))
    assert shown["JobDescription"] == "why"
    assert shown["Tasks"][0]["EnvVars"] == [{"Name": "A", "Value": "b"}]
    assert shown["Tasks"][0]["Application"] == described["Tasks"][0]["Application"]
    assert "Notifications" not in shown


async def test_the_console_sees_everything_about_a_job(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: stdout=hello"), events=["JOB_SUCCEED"]))
    cloud.clock.advance(5)
    await cloud.service.flush()
    page = cloud.page(job_id)
    assert page["Tasks"][0]["Instances"][0]["Stdout"] == "hello"
    assert [(one["EventName"], one["Result"]) for one in page["Events"]] == [("JOB_SUCCEED", "published")]
