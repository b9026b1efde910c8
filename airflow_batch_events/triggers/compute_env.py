# SPDX-License-Identifier: Apache-2.0
"""
Wait for compute environments in the triggerer: poll the API now and then, and as soon as an event says something.

What is decided lives in ``events/environment.py``, and is decided from polls alone. Two rules of Airflow shape this
file: ``yield`` is the last statement of ``run``, because what a trigger does afterwards is cancelled; and nothing is
opened in ``__init__``, because the triggerer makes the object on its event loop. Nothing is undone when a task is
killed: an environment that was being created goes on to be, one that was being deleted as well.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat.deferral import Handover
from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.dispatch.event_wakeup import EventWakeup
from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS
from airflow_batch_events.events.environment import DEFAULT_GRACE, EnvOutcome, NodeWait
from airflow_batch_events.events.environment_removal import Removal, RemovalStep
from airflow_batch_events.events.environment_turns import EnvTurns
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.exceptions import ApiCredentialsError, CloudError, CredentialsError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID, aget_access
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.base import MAX_REASON, StoredTrigger
from airflow_batch_events.triggers.queue_consumer import queue_consumer
from airflow_batch_events.waiting.storable import fire

POLL_INTERVAL = 30.0
"""Default seconds between polls of the API."""


class EnvTrigger(StoredTrigger):
    """Fire once when a decision about an environment has been reached; the subclasses say which."""

    env_id: str
    tencentcloud_conn_id: str
    region: str | None
    poll_interval: float
    deadline: float | None
    not_before: float | None
    queue_name: str | None
    timeout: float | None
    hold: float | None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire ``{"status": "ended", "outcome": {...}}`` or ``{"status": "error", ...}``."""
        self.note_unknown()
        handover = Handover(self.hold, self.not_before)
        try:
            outcome = await self._wait()
        except Exception as error:  # noqa: BLE001 - it ends this wait, and its task hears why
            payload = self.error_payload(error)
        else:
            # A reason is made of the cloud's own words, of any length.
            reason = None if outcome.reason is None else outcome.reason[:MAX_REASON]
            payload = {"status": "ended", "outcome": {**outcome.to_dict(), "reason": reason}}
        await handover.passed()
        yield fire({"env_id": f"{self.env_id!s:.{MAX_REASON}}", **payload})

    @abstractmethod
    def _decision(self) -> NodeWait | Removal:
        """Return the decision that has not begun."""

    @abstractmethod
    async def _turn(self, client: AsyncSdkClient, decision: Any) -> None:
        """Bring the API's answers to the decision; raise what could not be read."""

    async def _wait(self) -> EnvOutcome:
        self.text("env_id")
        decision = self._decision()
        deadline = Deadline(self.seconds("timeout"), self.moment("deadline"))
        turns = EnvTurns(decision, self.seconds("poll_interval") or POLL_INTERVAL)
        loop = asyncio.get_running_loop()
        began = loop.time()
        access = await aget_access(self.tencentcloud_conn_id, self.region)
        has_answered = False
        async with AsyncExitStack() as resources:
            wakeup = EventWakeup()
            if self.queue_name is not None:
                # Before the first poll, so that nothing can happen unseen between the two.
                consumer = await resources.enter_async_context(
                    queue_consumer(self.tencentcloud_conn_id, self.region, self.queue_name)
                )
                wanted = EventFilter(env_id=self.env_id, events=COMPUTE_ENV_EVENTS)
                await resources.enter_async_context(wakeup.woken_by(consumer, wanted.matches_any))
            client = await resources.enter_async_context(AsyncSdkClient(access))
            while True:
                try:
                    await self._turn(client, decision)
                    has_answered = True
                except CloudError as error:
                    if isinstance(error, ApiCredentialsError) and not has_answered:
                        raise CredentialsError(f"the cloud refused the keys of {access.source}: {error}") from error
                    if not decision.is_done:
                        self.log.warning("%s: will try again: %s", self.env_id, error)
                after = turns.after_turn(deadline.left_since(began, client.clock))
                if isinstance(after, EnvOutcome):
                    return after
                if after.news:
                    self.log.info("%s: %s", self.env_id, after.news)
                await wakeup.sleep(after.seconds)


class BatchComputeEnvTrigger(EnvTrigger):
    """
    Fire once when so many nodes of an environment run, or will not.

    :param env_id: The environment.
    :param nodes: How many nodes.
    :param exactly: Whether those above that number have to go as well.
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again; None for any number.
    :param creation_retries: How often the cloud tries again to create a node; None if that is not known.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param poll_interval: Seconds between polls of the API.
    :param grace: Seconds for which an environment that the API does not know counts as not visible yet.
    :param deadline: Unix seconds of the cloud at which the wait is over, for a triggerer that begins it anew; see
        :class:`~airflow_batch_events.dispatch.deadline.Deadline`. None where it was not known when the wait began.
    :param not_before: What version 0.1.0 has stored for ``hold``, in Unix seconds.
    :param queue_name: The queue with the environment's events, each of which causes a poll; None polls on time alone.
    :param timeout: Seconds from the trigger's beginning after which the wait is over; None waits without end.
    :param hold: Seconds from the trigger's beginning before which nothing is fired; ten at the most.
    """

    def __init__(
        self,
        env_id: str = "",
        nodes: int = 0,
        exactly: bool = False,
        max_failed_nodes: int | None = None,
        creation_retries: int | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        poll_interval: float = POLL_INTERVAL,
        grace: float = DEFAULT_GRACE,
        deadline: float | None = None,
        not_before: float | None = None,
        queue_name: str | None = None,
        timeout: float | None = None,
        hold: float | None = None,
    ) -> None:
        super().__init__()
        self.env_id = env_id
        self.nodes = nodes
        self.exactly = exactly
        self.max_failed_nodes = max_failed_nodes
        self.creation_retries = creation_retries
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.poll_interval = poll_interval
        self.grace = grace
        self.deadline = deadline
        self.not_before = not_before
        self.queue_name = queue_name
        self.timeout = timeout
        self.hold = hold

    def _decision(self) -> NodeWait:
        grace = self.seconds("grace")
        return NodeWait(
            self.env_id,
            self.whole("nodes"),
            exactly=bool(self.exactly),
            max_failed_nodes=None if self.max_failed_nodes is None else self.whole("max_failed_nodes"),
            creation_retries=None if self.creation_retries is None else self.whole("creation_retries"),
            grace=DEFAULT_GRACE if grace is None else grace,
        )

    async def _turn(self, client: AsyncSdkClient, decision: NodeWait) -> None:
        try:
            env = await client.send(batch.describe_compute_env(self.env_id))
        except CloudError as error:
            # How long it has been missing is a duration, which no clock that steps may count.
            decision.on_error(error, asyncio.get_running_loop().time())
            raise
        activities = await self._activities_of(client, decision.on_poll(env))
        # When an activity has ended is a time of the cloud.
        decision.on_activities(activities, client.clock.known_now())

    async def _activities_of(self, client: AsyncSdkClient, node_ids: Iterable[str]) -> list[batch.Activity]:
        activities: list[batch.Activity] = []
        for node_id in node_ids:
            try:
                found = await client.send(batch.describe_compute_env_activities(self.env_id, node_id=node_id))
                activities += found
            except CloudError as error:
                # A reason that cannot be read must not hide that a node has failed, nor why another one has.
                self.log.warning("Cannot read why a node of %s failed: %s", self.env_id, error)
        return activities


class BatchDeleteComputeEnvTrigger(EnvTrigger):
    """
    Remove an environment, then fire once when it is gone, or will not be.

    :param env_id: The environment.
    :param drain: Whether its nodes are taken away if it is still meant to have some.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param poll_interval: Seconds between tries and polls.
    :param deadline: Unix seconds of the cloud at which the wait is over, for a triggerer that begins it anew; see
        :class:`~airflow_batch_events.dispatch.deadline.Deadline`. None where it was not known when the wait began.
    :param not_before: What version 0.1.0 has stored for ``hold``, in Unix seconds.
    :param queue_name: The queue with the environment's events, each of which causes a poll; None polls on time alone.
    :param timeout: Seconds from the trigger's beginning after which nothing more is tried; None tries without end.
    :param hold: Seconds from the trigger's beginning before which nothing is fired; ten at the most.
    """

    def __init__(
        self,
        env_id: str = "",
        drain: bool = False,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        poll_interval: float = POLL_INTERVAL,
        deadline: float | None = None,
        not_before: float | None = None,
        queue_name: str | None = None,
        timeout: float | None = None,
        hold: float | None = None,
    ) -> None:
        super().__init__()
        self.env_id = env_id
        self.drain = drain
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.not_before = not_before
        self.queue_name = queue_name
        self.timeout = timeout
        self.hold = hold

    def _decision(self) -> Removal:
        return Removal(self.env_id, drain=bool(self.drain))

    async def _turn(self, client: AsyncSdkClient, decision: Removal) -> None:
        try:
            env = await client.send(batch.describe_compute_env(self.env_id))
            step = decision.on_poll(env)
            if step is RemovalStep.DRAIN:
                await client.send(batch.modify_compute_env(self.env_id, desired_node_count=0))
            elif step is RemovalStep.DELETE:
                await client.send(batch.delete_compute_env(self.env_id))
        except CloudError as error:
            decision.on_error(error)
            raise
