# SPDX-License-Identifier: Apache-2.0
"""Which jobs of a task are deleted, and which are kept although they were to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support.many_cloud import ManyCloud, Task, descriptions

from airflow_batch_events.dispatch.many.job_deleter import MAX_ATTEMPTS
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiError,
    ApiInUseError,
    ApiNotFoundError,
    ApiServerError,
)


def refuse(cloud: ManyCloud, error: Exception, *, times: int = 1_000) -> Callable[[], int]:
    """Let the API refuse some calls, and return how often it has been called."""
    calls = 0
    delete_job = cloud.delete_job

    async def delete(job_id: str) -> None:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise error
        await delete_job(job_id)

    cloud.delete_job = delete  # type: ignore[method-assign]
    return lambda: calls


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (ApiInUseError("DeleteJob", "ResourceInUse.Job", "busy"), MAX_ATTEMPTS),
        (ApiCredentialsError("DeleteJob", "UnauthorizedOperation", "no"), 1),
    ],
)
def test_a_job_that_cannot_be_deleted_is_kept_and_named(run: Any, error: Exception, calls: int) -> None:
    async def scenario() -> None:
        cloud = ManyCloud()
        called = refuse(cloud, error)
        task = Task(cloud, descriptions(1), on_finish_action="delete")
        assert await task.finish()
        assert called() == calls
        assert any("was not deleted" in line for line in task.lines)
        assert len(cloud.states) == 1

    run(scenario())


@pytest.mark.parametrize("kind", [ApiServerError, ApiInUseError])
def test_a_job_is_deleted_as_soon_as_the_api_does_it(run: Any, kind: type[ApiError]) -> None:
    async def scenario() -> None:
        cloud = ManyCloud()
        refuse(cloud, kind("DeleteJob", "code", "not now"), times=2)
        task = Task(cloud, descriptions(1), on_finish_action="delete")
        assert await task.finish()
        assert cloud.states == {}

    run(scenario())


def test_a_job_that_is_gone_counts_as_deleted(run: Any) -> None:
    async def scenario() -> None:
        cloud = ManyCloud()
        refuse(cloud, ApiNotFoundError("DeleteJob", "ResourceNotFound.Job", "gone"))
        task = Task(cloud, descriptions(2), on_finish_action="delete")
        assert await task.finish()
        assert [item.is_deleted for item in task.run.items] == [True, True]
        assert asyncio.get_running_loop().time() < 60

    run(scenario())
