# SPDX-License-Identifier: Apache-2.0
"""
Gather what OpenLineage is told of a task's jobs, while the task itself still runs.

OpenLineage asks in a fork of the task's process, and kills it after ten seconds. The rule that must not be relaxed:
nothing is asked of the cloud or of Airflow there. It is asked here, within a bound, and only where OpenLineage is on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.exceptions import BatchEventsError
from airflow_batch_events.protocol.apis import batch

if TYPE_CHECKING:
    from airflow_batch_events.hooks.batch import BatchHook

READ_BOUND = 10.0
"""Seconds that reading what jobs were submitted with may take."""

MAX_READ = 20
"""Jobs of others that are read, each by one call; the API takes 2 to 20 in a second."""

MAX_TOLD = 100
"""Jobs whose ends are told."""


@dataclass(frozen=True)
class Gathered:
    """
    What is known of a task's jobs.

    :param descriptions: The API's ``Job`` objects, or what DescribeJobSubmitInfo returns of them.
    :param jobs: How the first of them ended, as :func:`told_of` returns it.
    :param total: How many jobs there are.
    :param succeeded: How many have succeeded.
    :param region: Where they ran, as far as the task knows it.
    """

    descriptions: Sequence[object] = ()
    jobs: Sequence[Mapping[str, Any]] = ()
    total: int = 0
    succeeded: int = 0
    region: str | None = None


def is_wanted() -> bool:
    """Whether OpenLineage listens in this process; imports nothing."""
    settings = sys.modules.get("airflow.providers.openlineage.conf")
    return settings is not None and not settings.is_disabled()


def gather(
    ended: Sequence[Outcome | Mapping[str, Any]], descriptions: Sequence[object], region: str | None
) -> Gathered:
    """
    Return what is known of a task's jobs.

    :param ended: How they ended: outcomes, or of many jobs ``{"job_id", "state"}`` each.
    :param descriptions: What they were submitted with.
    :param region: Where they ran, as far as the task knows it.
    """
    succeeded = sum(_state_of(one) == JobState.SUCCEED.value for one in ended)
    return Gathered(descriptions, [told_of(one) for one in ended[:MAX_TOLD]], len(ended), succeeded, region)


def told_of(one: Outcome | Mapping[str, Any]) -> dict[str, Any]:
    """Return how a job ended, by the names that OpenLineage's facets have; what is not known is left out."""
    if not isinstance(one, Outcome):
        told = {"jobId": one.get("job_id"), "state": one.get("state")}
    else:
        failure = one.failure
        told = {
            "jobId": one.job_id,
            "state": one.state,
            "endedBy": one.source,
            "eventName": one.event_name,
            "queuedSeconds": one.queued_seconds,
            "runningSeconds": one.running_seconds,
            "instances": one.instances,
            "cause": failure and failure.cause,
            "exitCode": failure and failure.exit_code,
        }
    return {name: value for name, value in told.items() if value is not None}


def read_descriptions(hook: BatchHook, job_ids: Sequence[str], *, bound: float = READ_BOUND) -> list[Any]:
    """
    Ask the API what jobs were submitted with; what it does not tell in time is left out, and the log says so.

    :param hook: The Batch API.
    :param job_ids: The jobs.
    :param bound: Seconds that this may take.
    """
    from airflow_batch_events.protocol.retry import NO_RETRY

    found: list[Any] = []
    ends = time.monotonic() + bound
    trouble: object = ""
    try:
        for job_id in job_ids[:MAX_READ]:
            if (left := ends - time.monotonic()) <= 0:
                break
            request = batch.describe_job_submit_info(job_id)
            found.append(hook.client.send(request, timeout=left, retry=NO_RETRY))
    except BatchEventsError as error:
        trouble = f": {error}"
    if len(found) < len(job_ids):
        hook.log.info("OpenLineage is told the data of %d of %d jobs%s", len(found), len(job_ids), trouble)
    return found


def _state_of(one: Outcome | Mapping[str, Any]) -> object:
    return one.state if isinstance(one, Outcome) else one.get("state")
