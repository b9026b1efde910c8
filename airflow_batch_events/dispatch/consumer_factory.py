# SPDX-License-Identifier: Apache-2.0
"""The consumer that reads the cloud: a CMQ queue and DescribeJobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from airflow_batch_events.dispatch.consumer import Backends, Consumer, OpenBackends
from airflow_batch_events.dispatch.loops import call_bound
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.cmq import CmqClient, DeleteFailure, Message
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient


def consumer_key(access: CloudAccess, queue_name: str | None) -> Hashable:
    """Return what two waits must have in common to share a consumer."""
    # Not the key: it is exchanged while waits go on, and then two readers would take each other's messages.
    return access.cmq_endpoint, access.batch_endpoint, access.region, access.principal, queue_name


def make_consumer(access: CloudAccess, queue_name: str | None, metrics: Metrics | None = None) -> Consumer:
    """
    Make a consumer, without opening anything yet.

    :param access: Who we are and where.
    :param queue_name: The queue, or None for waits that are only polled.
    :param metrics: Where counts and measurements go.
    """
    where = f"in {access.region} ({access.source})"
    name = f"queue {queue_name!r} at {access.cmq_endpoint} {where}" if queue_name else f"the Batch API {where}"
    return Consumer(name, _opener(access, queue_name), metrics=metrics, region=access.region)


class _CloudQueue:
    """One queue of the data plane, for a reader that backs off by itself."""

    def __init__(self, client: CmqClient, queue_name: str) -> None:
        self._client = client
        self._queue_name = queue_name

    async def receive(self, wait_seconds: int) -> Sequence[Message]:
        return await self._client.receive(self._queue_name, wait_seconds=wait_seconds)

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[DeleteFailure]:
        return await self._client.delete(self._queue_name, receipt_handles)


def _opener(access: CloudAccess, queue_name: str | None) -> OpenBackends:
    @asynccontextmanager
    async def open_backends(clock: CloudClock) -> AsyncIterator[Backends]:
        async with AsyncExitStack() as stack:
            # The bounds of the calls as a whole are the reader's and the poller's.
            api = await stack.enter_async_context(
                AsyncSdkClient(access, timeout=call_bound.MOST, retry=NO_RETRY, clock=clock)
            )
            queue = None
            if queue_name is not None:
                cmq = await stack.enter_async_context(
                    CmqClient(access, retries=0, timeout=call_bound.MOST, clock=clock)
                )
                queue = _CloudQueue(cmq, queue_name)

            async def describe(job_ids: Sequence[str]) -> batch.JobStates:
                return await api.send(batch.describe_job_states(job_ids))

            yield Backends(queue, describe, api.send)

    return open_backends
