# SPDX-License-Identifier: Apache-2.0
"""Both clients against the emulator, which verifies every signature and keeps the cloud's rules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiInUseError,
    ApiNotFoundError,
    ApiParameterError,
    ApiThrottledError,
    CmqCredentialsError,
    CmqNoSubscriberError,
    CmqQueueNotFoundError,
    CmqTopicNotFoundError,
    TransportError,
)
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials import sts
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient
from tencent_batch_emulator.emulator import Emulator

JOB = {
    "JobName": "hello",
    "NotificationTarget": "TDMQ_CMQ",
    "Notifications": [{"TopicName": "events", "EventConfigs": [{"EventName": "JOB_SUCCEED", "EventVars": []}]}],
    "Tasks": [
        {
            "TaskName": "greet",
            "TaskInstanceNum": 2,
            "Application": {"DeliveryForm": "LOCAL", "Command": "echo héllo; echo oops >&2"},
            "ComputeEnv": {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-12345678"}},
        }
    ],
}
PLACEMENT = {"Zone": "ap-guangzhou-6"}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


@pytest.fixture
def access(emulator: Emulator) -> CloudAccess:
    return CloudAccess.at_endpoint(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.region)


@pytest.fixture
async def api(access: CloudAccess) -> AsyncIterator[AsyncSdkClient]:
    async with AsyncSdkClient(access, retry=NO_RETRY) as client:
        yield client


@pytest.fixture
async def queues(access: CloudAccess, api: AsyncSdkClient) -> AsyncIterator[CmqClient]:
    """Return a data-plane client for a queue ``jobs`` that is subscribed to a topic ``events``."""
    await api.send(tdmq.create_topic("events"))
    await api.send(tdmq.create_queue("jobs", tdmq.QueueSettings(visibility_timeout=30)))
    await api.send(tdmq.create_subscription("events", "to-jobs", "jobs"))
    async with CmqClient(access, retries=0) as client:
        yield client


@pytest.mark.parametrize("body", ["x", "a&b=c %+/ü漢\n", "@file", '{"EventName": "JOB_SUCCEED"}', "x" * 70_000])
async def test_a_body_arrives_as_it_was_sent(queues: CmqClient, body: str) -> None:
    await queues.send("jobs", body)
    [message] = await queues.receive("jobs")
    assert message.body == body
    assert message.next_visible_time - message.enqueue_time >= 30


@pytest.mark.parametrize("method", ["HmacSHA1", "HmacSHA256"])
async def test_both_signatures_are_accepted(access: CloudAccess, queues: CmqClient, method: str) -> None:
    async with CmqClient(access, signature_method=method, retries=0) as client:  # type: ignore[arg-type]
        assert await client.send("jobs", "x")


async def test_many_messages_go_through_in_batches(queues: CmqClient) -> None:
    bodies = [f"message {number}" for number in range(100)]
    assert len(set(await queues.send_batch("jobs", bodies))) == 100
    received = []
    while messages := await queues.receive("jobs", wait_seconds=0):
        received += messages
    assert sorted(message.body for message in received) == sorted(bodies)
    assert await queues.delete("jobs", [message.receipt_handle for message in received]) == []


async def test_a_stale_handle_comes_back_as_a_value(emulator: Emulator, queues: CmqClient) -> None:
    await queues.send_batch("jobs", ["a", "b"])
    stale = await queues.receive("jobs")
    emulator.clock.advance(31)
    fresh = await queues.receive("jobs")
    assert sorted(message.body for message in fresh) == ["a", "b"]
    failures = await queues.delete("jobs", [stale[0].receipt_handle, fresh[0].receipt_handle, "12345"])
    assert {failure.receipt_handle for failure in failures} >= {"12345"}
    assert {failure.code for failure in failures} == {4430}
    assert fresh[0].receipt_handle not in {failure.receipt_handle for failure in failures}


async def test_a_published_message_reaches_the_queue(queues: CmqClient) -> None:
    await queues.publish("events", "one")
    await queues.publish_batch("events", ["two", "three"])
    received: set[str] = set()
    while len(received) < 3:
        messages = await queues.receive("jobs")
        assert messages, "not every published message arrived"
        received |= {message.body for message in messages}
    assert received == {"one", "two", "three"}


async def test_a_long_poll_answers_as_soon_as_something_arrives(queues: CmqClient) -> None:
    polls = [asyncio.create_task(queues.receive("jobs", max_messages=1, wait_seconds=20)) for _ in range(3)]
    began = time.monotonic()
    await queues.send_batch("jobs", ["a", "b", "c"])
    received = await asyncio.gather(*polls)
    assert sorted(message.body for messages in received for message in messages) == ["a", "b", "c"]
    assert time.monotonic() - began < 15


async def test_what_does_not_exist_is_named(queues: CmqClient, api: AsyncSdkClient) -> None:
    with pytest.raises(CmqQueueNotFoundError, match="'none'"):
        await queues.receive("none")
    with pytest.raises(CmqQueueNotFoundError, match="'none'"):
        await queues.check_queue("none")
    await queues.check_queue("jobs")
    with pytest.raises(CmqTopicNotFoundError, match="'none'"):
        await queues.publish("none", "x")
    await api.send(tdmq.create_topic("lonely"))
    with pytest.raises(CmqNoSubscriberError, match="'lonely'"):
        await queues.publish("lonely", "x")
    with pytest.raises(ApiNotFoundError):
        await api.send(tdmq.describe_queue("none"))
    with pytest.raises(ApiNotFoundError):
        await api.send(batch.describe_job("job-00000000"))
    with pytest.raises(ApiParameterError):
        await api.send(batch.describe_job("no job id"))
    with pytest.raises(ApiInUseError):
        await api.send(tdmq.create_queue("jobs"))


async def test_a_wrong_key_is_refused(emulator: Emulator, access: CloudAccess, queues: CmqClient) -> None:
    wrong = replace(access, secret_key="wrong")
    async with CmqClient(wrong) as client:
        with pytest.raises(CmqCredentialsError):
            await client.receive("jobs")
    async with AsyncSdkClient(wrong) as client_of_apis:
        with pytest.raises(ApiCredentialsError):
            await client_of_apis.send(batch.describe_jobs(["job-00000000"]))


async def test_a_cloud_whose_clock_is_hours_ahead_can_be_used(
    emulator: Emulator, access: CloudAccess, queues: CmqClient
) -> None:
    emulator.clock.advance(7200)
    async with CmqClient(access, retries=0) as client:
        assert await client.send("jobs", "x")
    async with AsyncSdkClient(access, retry=NO_RETRY) as client_of_apis:
        assert await client_of_apis.send(batch.describe_jobs(["job-00000000"])) == []

    def look() -> list[batch.JobView]:
        with SdkClient(access, retry=NO_RETRY) as blocking:
            return blocking.send(batch.describe_jobs(["job-00000000"]))

    assert await asyncio.to_thread(look) == []
    assert abs(client.clock.told() - emulator.clock.time()) < 60


async def test_queues_and_topics_are_described_as_they_were_made(queues: CmqClient, api: AsyncSdkClient) -> None:
    queue = await api.send(tdmq.describe_queue("jobs"))
    assert (queue.name, queue.visibility_timeout) == ("jobs", 30)
    assert queue.create_time is not None
    assert (await api.send(tdmq.describe_topic("events"))).name == "events"
    page = await api.send(tdmq.describe_subscriptions("events"))
    [subscription] = page.items
    assert (subscription.name, subscription.endpoint, subscription.protocol) == ("to-jobs", "jobs", "queue")
    assert subscription.content_format == "SIMPLIFIED"
    await api.send(tdmq.modify_queue("jobs", tdmq.QueueSettings(visibility_timeout=60)))
    assert (await api.send(tdmq.describe_queue("jobs"))).visibility_timeout == 60
    await api.send(tdmq.send_message("jobs", "x"))
    await api.send(tdmq.publish_message("events", "y"))
    names = {found.name for found in (await api.send(tdmq.describe_queues())).items}
    assert names == {"jobs"}
    await api.send(tdmq.delete_subscription("events", "to-jobs"))
    assert (await api.send(tdmq.describe_subscriptions("events"))).items == ()
    await api.send(tdmq.delete_queue("jobs"))
    await api.send(tdmq.delete_topic("events"))


async def test_a_job_runs_tells_its_queue_and_is_described(queues: CmqClient, api: AsyncSdkClient) -> None:
    job_id = await api.send(batch.submit_job(JOB, PLACEMENT, "token"))
    assert await api.send(batch.submit_job(JOB, PLACEMENT, "token")) == job_id
    [message] = await queues.receive("jobs", max_messages=1, wait_seconds=20)
    assert job_id in message.body
    [view] = await api.send(batch.describe_jobs([job_id, "job-00000000"]))
    assert (view.job_id, view.state, view.name) == (job_id, "SUCCEED", "hello")
    assert view.create_time is not None
    assert view.end_time is not None
    job = await api.send(batch.describe_job(job_id))
    assert [(task.name, task.state) for task in job.tasks] == [("greet", "SUCCEED")]
    assert job.instance_counts["SucceedCount"] == 2
    task = await api.send(batch.describe_task(job_id, "greet", states=["SUCCEED"]))
    assert task.total_count == 2
    assert {instance.exit_code for instance in task.instances} == {0}
    logs = await api.send(batch.describe_task_logs(job_id, "greet", [0, 1]))
    assert {(log.stdout, log.stderr) for log in logs} == {("héllo\n", "oops\n")}
    assert (await api.send(batch.describe_job_submit_info(job_id)))["JobName"] == "hello"
    await api.send(batch.delete_job(job_id))
    with pytest.raises(ApiNotFoundError):
        await api.send(batch.describe_job(job_id))


async def test_a_compute_environment_comes_up(api: AsyncSdkClient) -> None:
    env = {
        "EnvName": "render",
        "DesiredComputeNodeCount": 2,
        "EnvType": "MANAGED",
        "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-12345678"},
    }
    env_id = await api.send(batch.create_compute_env(env, PLACEMENT, "token"))
    described = await api.send(batch.describe_compute_env(env_id))
    assert (described.name, described.desired_node_count) == ("render", 2)
    [listed] = await api.send(batch.describe_compute_envs([env_id]))
    assert listed.env_id == env_id
    activities = await api.send(batch.describe_compute_env_activities(env_id))
    assert {activity.kind for activity in activities} <= {"CREATE_COMPUTE_NODE"}


async def test_ordered_faults_become_our_errors(
    emulator: Emulator, access: CloudAccess, queues: CmqClient, api: AsyncSdkClient
) -> None:
    emulator.faults.fail_next("DescribeJobs", "RequestLimitExceeded")
    with pytest.raises(ApiThrottledError):
        await api.send(batch.describe_jobs(["job-00000000"]))
    emulator.faults.cut_next("DescribeJobs")
    with pytest.raises(TransportError):
        await api.send(batch.describe_jobs(["job-00000000"]))
    emulator.faults.cut_next("BatchReceiveMessage")
    with pytest.raises(TransportError):
        await queues.receive("jobs")
    number = emulator.faults.http_500("SendMessage")
    with pytest.raises(TransportError, match="HTTP 500"):
        await queues.send("jobs", "x")
    emulator.faults.remove(number)
    assert await queues.send("jobs", "x")


async def test_a_submission_with_a_lost_answer_is_not_repeated(
    emulator: Emulator, access: CloudAccess, queues: CmqClient, api: AsyncSdkClient
) -> None:
    emulator.faults.cut_next("SubmitJob", when="after")

    async def sleep(_: float) -> None:
        return None

    async with AsyncSdkClient(access, sleep=sleep) as client:
        job_id = await client.send(batch.submit_job(JOB, PLACEMENT, "token"))
    views = await api.send(batch.describe_jobs())
    assert [view.job_id for view in views] == [job_id]


async def test_checking_a_queue_takes_no_message_from_anybody(access: CloudAccess, queues: CmqClient) -> None:
    await queues.send("jobs", "x")
    await queues.check_queue("jobs")
    [message] = await queues.receive("jobs", wait_seconds=0)
    assert message.dequeue_count == 1
    with pytest.raises(CmqQueueNotFoundError, match="'nowhere'"):
        await queues.check_queue("nowhere")
    async with CmqClient(replace(access, secret_key="wrong")) as stranger:
        with pytest.raises(CmqCredentialsError):
            await stranger.check_queue("jobs")


@pytest.mark.parametrize("is_blocking", [False, True])
async def test_a_role_is_assumed_through_either_client(
    access: CloudAccess, emulator: Emulator, is_blocking: bool
) -> None:
    request = sts.assume_role(sts.Role(f"qcs::cam::uin/{emulator.key.account}:roleName/both"))

    def assume() -> sts.TemporaryKey:
        with SdkClient(access, retry=NO_RETRY) as client:
            return client.send(request)

    if is_blocking:
        temporary = await asyncio.to_thread(assume)
    else:
        async with AsyncSdkClient(access, retry=NO_RETRY) as client:
            temporary = await client.send(request)
    assert temporary.key.token
    assert temporary.expires > time.time()
