# SPDX-License-Identifier: Apache-2.0
"""
Wait for compute environments in the triggerer: look at the API now and then, and as soon as an event says something.

What is decided lives in ``events/environment.py``, and is decided from looks alone. Two rules of Airflow 3.3 shape this
file: ``yield`` is the last statement of ``run``, because what a trigger does afterwards is cancelled; and nothing is
opened in ``__init__``, because the triggerer makes the object on its event loop. Nothing is undone when a task is
killed: an environment that was being created goes on to be, one that was being deleted as well.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batch_events.dispatch.alarm import Alarm
from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS
from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.events.environment import DEFAULT_GRACE, EnvOutcome, NodeWait, Removal, Step
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.exceptions import ApiCredentialsError, BatchEventsError, CloudError, CredentialsError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID, aget_access
from airflow_batch_events.protocol import batch
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.hold import hold_until
from airflow_batch_events.triggers.stream import queue_consumer


class EnvTrigger(BaseTrigger):
    """Fire once when a decision about an environment has been reached; the subclasses say which."""

    env_id: str
    tencentcloud_conn_id: str
    region: str | None
    poll_interval: float
    deadline: float | None
    not_before: float | None
    queue_name: str | None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire ``{"status": "ended", "outcome": {...}}`` or ``{"status": "error", ...}``."""
        try:
            outcome = await self._wait()
        except BatchEventsError as error:
            payload: dict[str, Any] = {"status": "error", "error": type(error).__name__, "message": str(error)}
        else:
            payload = {"status": "ended", "outcome": outcome.to_dict()}
        await hold_until(self.not_before)
        yield TriggerEvent({"env_id": self.env_id, **payload})

    @abstractmethod
    def _decision(self) -> NodeWait | Removal:
        """Return the decision that has not begun."""

    @abstractmethod
    async def _turn(self, client: AsyncSdkClient, decision: Any) -> None:
        """Bring the API's answers to the decision; raise what could not be read."""

    async def _wait(self) -> EnvOutcome:
        decision = self._decision()
        access = await aget_access(self.tencentcloud_conn_id, self.region)
        shown = ""
        has_answered = False
        async with AsyncExitStack() as resources:
            alarm = Alarm()
            if self.queue_name is not None:
                # Before the first look, so that nothing can happen unseen between the two.
                consumer = await resources.enter_async_context(
                    queue_consumer(self.tencentcloud_conn_id, self.region, self.queue_name)
                )
                wanted = EventFilter(env_id=self.env_id, events=COMPUTE_ENV_EVENTS)
                await resources.enter_async_context(alarm.rung_by(consumer, wanted.matches_any))
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
                left = None if self.deadline is None else self.deadline - time.time()
                if left is not None and left <= 0:
                    decision.on_deadline()
                if decision.outcome is not None:
                    return decision.outcome
                if decision.progress != shown:
                    shown = decision.progress
                    self.log.info("%s: %s", self.env_id, shown)
                pause = min(self.poll_interval, CONFIRM_INTERVAL) if decision.is_refused else self.poll_interval
                await alarm.sleep(pause if left is None else min(pause, left))

    def _path(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}"


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
    :param poll_interval: Seconds between looks at the API.
    :param grace: Seconds for which an environment that the API does not know counts as not visible yet.
    :param deadline: Unix seconds at which the wait is over; None waits without end.
    :param not_before: Unix seconds before which nothing is fired; at most ten seconds are waited for it.
    :param queue_name: The queue with the environment's events, each of which causes a look; None looks on time alone.
    """

    def __init__(
        self,
        env_id: str,
        nodes: int,
        exactly: bool = False,
        max_failed_nodes: int | None = None,
        creation_retries: int | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        poll_interval: float = 30.0,
        grace: float = DEFAULT_GRACE,
        deadline: float | None = None,
        not_before: float | None = None,
        queue_name: str | None = None,
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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return self._path(), {
            "env_id": self.env_id,
            "nodes": self.nodes,
            "exactly": self.exactly,
            "max_failed_nodes": self.max_failed_nodes,
            "creation_retries": self.creation_retries,
            "tencentcloud_conn_id": self.tencentcloud_conn_id,
            "region": self.region,
            "poll_interval": self.poll_interval,
            "grace": self.grace,
            "deadline": self.deadline,
            "not_before": self.not_before,
            "queue_name": self.queue_name,
        }

    def _decision(self) -> NodeWait:
        return NodeWait(
            self.env_id,
            self.nodes,
            exactly=self.exactly,
            max_failed_nodes=self.max_failed_nodes,
            creation_retries=self.creation_retries,
            grace=self.grace,
        )

    async def _turn(self, client: AsyncSdkClient, decision: NodeWait) -> None:
        # Wall clock, not monotonic, because it is compared with the times of the cloud.
        now = time.time()
        try:
            env = await client.send(batch.describe_compute_env(self.env_id))
        except CloudError as error:
            decision.on_error(error, now)
            raise
        decision.on_activities(await self._activities_of(client, decision.on_look(env)), now)

    async def _activities_of(self, client: AsyncSdkClient, node_ids: Iterable[str]) -> list[batch.Activity]:
        activities: list[batch.Activity] = []
        try:
            for node_id in node_ids:
                found = await client.send(batch.describe_compute_env_activities(self.env_id, node_id=node_id))
                activities += found
        except CloudError as error:
            # A reason that cannot be read must not hide that a node has failed.
            self.log.warning("Cannot read why nodes of %s failed: %s", self.env_id, error)
        return activities


class BatchDeleteComputeEnvTrigger(EnvTrigger):
    """
    Remove an environment, then fire once when it is gone, or will not be.

    :param env_id: The environment.
    :param drain: Whether its nodes are taken away if it is still meant to have some.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param poll_interval: Seconds between tries and looks.
    :param deadline: Unix seconds after which nothing more is tried; None tries without end.
    :param not_before: Unix seconds before which nothing is fired; at most ten seconds are waited for it.
    :param queue_name: The queue with the environment's events, each of which causes a look; None looks on time alone.
    """

    def __init__(
        self,
        env_id: str,
        drain: bool = False,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        poll_interval: float = 30.0,
        deadline: float | None = None,
        not_before: float | None = None,
        queue_name: str | None = None,
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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return self._path(), {
            "env_id": self.env_id,
            "drain": self.drain,
            "tencentcloud_conn_id": self.tencentcloud_conn_id,
            "region": self.region,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            "not_before": self.not_before,
            "queue_name": self.queue_name,
        }

    def _decision(self) -> Removal:
        return Removal(self.env_id, drain=self.drain)

    async def _turn(self, client: AsyncSdkClient, decision: Removal) -> None:
        try:
            env = await client.send(batch.describe_compute_env(self.env_id))
            step = decision.on_look(env)
            if step is Step.DRAIN:
                await client.send(batch.modify_compute_env(self.env_id, desired_node_count=0))
            elif step is Step.DELETE:
                await client.send(batch.delete_compute_env(self.env_id))
        except CloudError as error:
            decision.on_error(error)
            raise
