# SPDX-License-Identifier: Apache-2.0
"""The service as a server, a console page and a test hold on to it."""

from __future__ import annotations

from collections.abc import Callable

from helpers.batch_cloud import JOB_EVENTS, Cloud, job, task
from helpers.batch_environments import create
from tencentcloud.batch.v20170312.batch_client import BatchClient


async def test_every_action_of_the_sdk_is_there(cloud: Cloud) -> None:
    documented = {name for name in vars(BatchClient) if not name.startswith("_")}
    assert set(cloud.service.actions) == documented


async def test_jobs_are_shown_newest_first(cloud: Cloud) -> None:
    ids = [await cloud.submit(job()) for _ in range(3)]
    assert [row["JobId"] for row in cloud.service.job_rows(limit=2)] == ids[:0:-1]
    assert cloud.page(ids[0])["JobId"] == ids[0]
    assert cloud.service.job_page("job-00000000") is None


async def test_environments_are_shown_newest_first(cloud: Cloud) -> None:
    ids = [await create(cloud), await create(cloud, EnvName="other")]
    assert [row["EnvId"] for row in cloud.service.env_rows()] == ids[::-1]


async def test_a_seed_makes_the_same_ids_again(make_cloud: Callable[..., Cloud]) -> None:
    ids = [[await cloud.submit(job()), await create(cloud)] for cloud in (make_cloud(), make_cloud())]
    assert ids[0] == ids[1]


async def test_after_a_flush_every_event_has_been_published(cloud: Cloud) -> None:
    await cloud.submit(job(events=JOB_EVENTS))
    cloud.clock.advance(5)
    await cloud.service.flush()
    assert [message["Events"][0]["EventName"] for _, message in cloud.messages] == ["JOB_RUNNING", "JOB_SUCCEED"]


async def test_a_closed_service_runs_and_sends_nothing_more(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=5"), events=JOB_EVENTS))
    cloud.clock.advance(3)
    await cloud.service.close()
    cloud.clock.advance(100)
    assert await cloud.state(job_id) == "RUNNING"
    assert await cloud.event_names() == []
