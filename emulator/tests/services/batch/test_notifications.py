# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime, timezone

from helpers.batch_cloud import INSTANCE_EVENTS, JOB_EVENTS, NODE_EVENTS, TASK_EVENTS, Cloud, job, task


async def test_an_event_has_the_published_envelope_and_its_variables(cloud: Cloud) -> None:
    described = job(
        Notifications=[
            {
                "TopicName": "job-message",
                "EventConfigs": [
                    {"EventName": "JobSucceed", "EventVars": [{"Name": "jobSucceed", "Value": "Success"}]},
                    {"EventName": "JOB_FAILED"},
                ],
            }
        ]
    )
    job_id = await cloud.submit(described)
    cloud.clock.advance(5)
    await cloud.service.flush()
    [(topic, message)] = cloud.messages
    [event] = message["Events"]
    assert topic == "job-message"
    assert set(event) == {"EventVersion", "EventTime", "Region", "Batch", "EventName", "EventVars"}
    assert (event["EventVersion"], event["Region"]) == ("1.0", "ap-guangzhou")
    assert event["EventName"] == "JOB_SUCCEED"
    assert event["EventVars"] == [{"Name": "jobSucceed", "Value": "Success"}]
    assert event["Batch"]["JobId"] == job_id
    assert event["Batch"]["JobState"] == "SUCCEED"
    assert event["EventTime"] == event["Batch"]["EndTime"]
    datetime.strptime(event["EventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


async def test_events_of_all_levels_come_in_the_order_of_their_causes(cloud: Cloud) -> None:
    await cloud.submit(job(events=[*JOB_EVENTS, *TASK_EVENTS, *INSTANCE_EVENTS, *NODE_EVENTS]))
    cloud.clock.advance(5)
    assert await cloud.event_names() == [
        "COMPUTE_NODE_CREATED",
        "COMPUTE_NODE_RUNNING",
        "TASK_INSTANCE_RUNNING",
        "TASK_RUNNING",
        "JOB_RUNNING",
        "TASK_INSTANCE_SUCCEED",
        "COMPUTE_NODE_DELETING",
        "TASK_SUCCEED",
        "JOB_SUCCEED",
    ]


async def test_an_instance_event_tells_where_and_how_it_failed(cloud: Cloud) -> None:
    await cloud.submit(
        job(task("scripted: outcome=failed exit_code=4"), events=["TASK_INSTANCE_FAILED", "TASK_FAILED"])
    )
    cloud.clock.advance(5)
    instance, whole = await cloud.events()
    assert {name: instance["Batch"][name] for name in ("TaskName", "TaskInstanceIndex", "ExitCode")} == {
        "TaskName": "main",
        "TaskInstanceIndex": 0,
        "ExitCode": 4,
    }
    assert whole["Batch"]["TaskInstanceMetrics"]["FailedCount"] == 1


async def test_what_an_event_reports_is_visible_before_it_is_published(cloud: Cloud) -> None:
    seen = []

    async def note_state() -> None:
        seen.append(await cloud.state(job_id))

    cloud.on_publish = note_state
    job_id = await cloud.submit(job(task("scripted: duration=3"), events=JOB_EVENTS))
    for _ in range(50):
        cloud.clock.advance(0.1)
        await cloud.service.flush()
    assert seen == ["RUNNING", "SUCCEED"]


async def test_every_notification_that_asks_gets_its_own_message(cloud: Cloud) -> None:
    notifications = [
        {"TopicName": name, "EventConfigs": [{"EventName": "JOB_SUCCEED", "EventVars": [{"Name": "n", "Value": name}]}]}
        for name in ("one", "two")
    ]
    await cloud.submit(job(Notifications=notifications))
    cloud.clock.advance(5)
    await cloud.service.flush()
    assert [(topic, body["Events"][0]["EventVars"][0]["Value"]) for topic, body in cloud.messages] == [
        ("one", "one"),
        ("two", "two"),
    ]


async def test_the_default_target_is_dead_and_the_job_says_so(cloud: Cloud) -> None:
    described = job(events=JOB_EVENTS)
    del described["NotificationTarget"]
    job_id = await cloud.submit(described)
    cloud.clock.advance(5)
    assert await cloud.events() == []
    shown = cloud.page(job_id)
    assert [one["EventName"] for one in shown["Events"]] == ["JOB_RUNNING", "JOB_SUCCEED"]
    assert all("TDMQ_CMQ" in one["Result"] for one in shown["Events"])


async def test_a_refused_message_is_lost_and_the_job_goes_on(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=3"), events=JOB_EVENTS))
    cloud.clock.advance(1)
    cloud.topic_error = ConnectionError("no such topic")
    await cloud.service.flush()
    cloud.topic_error = None
    cloud.clock.advance(5)
    assert await cloud.event_names() == ["JOB_SUCCEED"]
    results = [one["Result"] for one in cloud.page(job_id)["Events"]]
    assert "no such topic" in results[0]
    assert results[1] == "published"


async def test_the_history_of_a_job_is_bounded(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task(TaskInstanceNum=200), events=INSTANCE_EVENTS))
    cloud.clock.advance(5)
    assert len(await cloud.events()) == 400
    assert len(cloud.page(job_id)["Events"]) == 100
