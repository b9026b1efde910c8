# SPDX-License-Identifier: Apache-2.0
"""
Wait for a compute environment from a task, deferred or on the worker.

What creates, modifies, deletes and senses environments waits in the same way; this base is that way. After a deferral
nothing but the trigger's event and the operator's own parameters is known: the object is a new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_batch_events.airflow_compat.deferral import handover_seconds
from airflow_batch_events.events.environment import EnvOutcome, NodeWait
from airflow_batch_events.events.environment_removal import Removal, RemovalStep
from airflow_batch_events.events.environment_turns import EnvTurns
from airflow_batch_events.exceptions import CloudError, CredentialsError
from airflow_batch_events.links.console import BatchComputeEnvLink, CmqQueueLink
from airflow_batch_events.operators.base import WaitingOperator
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.waiting.task_result import end_in
from airflow_batch_events.waiting.trigger_start import deadline_of, deferral_timeout

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from airflow_batch_events.triggers.compute_env import EnvTrigger


class ComputeEnvWaitOperator(WaitingOperator):
    """An operator that waits for a compute environment: each event about it on the queue causes a poll at once."""

    def write_links(self, context: Context, env_id: str) -> None:
        """Write the links of a task that is about to wait."""
        BatchComputeEnvLink.persist(context, self.hook.access, env_id)
        if self.queue_name is not None:
            CmqQueueLink.persist(context, self.hook.access, self.queue_name)

    def wait_until_nodes_run(self, wait: NodeWait, *, timeout: float | None) -> EnvOutcome:
        """
        Wait on the worker, or raise the deferral that waits in the triggerer.

        :param wait: The wait, which has not begun.
        :param timeout: Seconds from now at which the wait is over; None waits without end.
        """
        self.log.info("Waiting for %d nodes of %s to run", wait.wanted, wait.env_id)
        if self.deferrable:
            # The trigger's module brings the clients; a DAG file that imports an operator must not pay for them.
            from airflow_batch_events.triggers.compute_env import BatchComputeEnvTrigger

            self._defer_for_env(
                BatchComputeEnvTrigger,
                timeout,
                env_id=wait.env_id,
                nodes=wait.wanted,
                exactly=wait.exactly,
                max_failed_nodes=wait.max_failed_nodes,
                creation_retries=wait.creation_retries,
            )
        return self._block(wait, lambda: self.poll(wait), timeout)

    def remove(self, removal: Removal, *, timeout: float) -> EnvOutcome:
        """
        Remove an environment on the worker, or raise the deferral that removes it in the triggerer.

        :param removal: The removal, which has not begun.
        :param timeout: Seconds from now after which nothing more is tried.
        """
        if self.deferrable:
            from airflow_batch_events.triggers.compute_env import BatchDeleteComputeEnvTrigger

            self._defer_for_env(BatchDeleteComputeEnvTrigger, timeout, env_id=removal.env_id, drain=removal.drain)
        return self._block(removal, lambda: self._step(removal), timeout)

    def poll(self, wait: NodeWait) -> bool:
        """
        Bring the API's answer to a wait; what could not be read is logged and changes nothing.

        :return: Whether the environment could be read.
        :raises CredentialsError: When the cloud refuses the connection's keys.
        """
        try:
            env = self.hook.send(batch.describe_compute_env(wait.env_id))
        except CloudError as error:
            wait.on_error(error, time.monotonic())
            if not wait.is_done:
                self.log.warning("Cannot poll %s, will poll again: %s", wait.env_id, error)
            return False
        activities = self._activities_of(wait.env_id, wait.on_poll(env))
        # When an activity has ended is a time of the cloud.
        wait.on_activities(activities, self.hook.client.clock.known_now())
        return True

    def _activities_of(self, env_id: str, node_ids: Iterable[str]) -> list[batch.Activity]:
        activities: list[batch.Activity] = []
        for node_id in node_ids:
            try:
                found = self.hook.send(batch.describe_compute_env_activities(env_id, node_id=node_id))
                activities += found
            except (CloudError, CredentialsError) as error:
                # A reason that cannot be read must not hide that a node has failed, nor why another one has.
                self.log.warning("Cannot read why a node of %s failed: %s", env_id, error)
        return activities

    def outcome_of(self, event: object) -> EnvOutcome:
        """
        Read what the trigger fired.

        :raises BatchEventsError: The error that ended the wait in the triggerer, as its own class.
        :raises ValueError: When the event is not one of ours.
        """
        return EnvOutcome.from_dict(end_in(event).get("outcome"))

    def _defer_for_env(self, trigger: type[EnvTrigger], timeout: float | None, **settings: Any) -> NoReturn:
        # Settings that are missing must fail here, in the task's log, not in the triggerer's.
        access = self.hook.access
        if self.queue_name is not None:
            endpoint = access.required_cmq_endpoint
            self.log.info("Events on queue %r at %s cause further polls", self.queue_name, endpoint)
        self.defer(
            trigger=trigger(
                **settings,
                tencentcloud_conn_id=self.tencentcloud_conn_id,
                region=self.region,
                poll_interval=self.poll_interval,
                timeout=timeout,
                deadline=deadline_of(timeout, self.hook),
                hold=handover_seconds(),
                queue_name=self.queue_name,
            ),
            method_name="execute_complete",
            timeout=deferral_timeout(timeout),
        )

    def _step(self, removal: Removal) -> bool:
        try:
            step = removal.on_poll(self.hook.send(batch.describe_compute_env(removal.env_id)))
            if step is RemovalStep.DRAIN:
                self.hook.send(batch.modify_compute_env(removal.env_id, desired_node_count=0))
            elif step is RemovalStep.DELETE:
                self.hook.send(batch.delete_compute_env(removal.env_id))
        except CloudError as error:
            removal.on_error(error)
            if not removal.is_done:
                self.log.info("Will try again: %s", error)
            return False
        return True

    def _block(self, decision: NodeWait | Removal, turn: Callable[[], bool], timeout: float | None) -> EnvOutcome:
        began = time.monotonic()
        turns = EnvTurns(decision, self.poll_interval)
        has_answered = False
        while True:
            try:
                has_answered |= turn()
            except CredentialsError as error:
                # Keys that were good once are being exchanged. That they may not delete is final.
                if not has_answered or isinstance(decision, Removal):
                    raise
                self.log.warning("The keys were refused, will try again: %s", error)
            left = None if timeout is None else max(0.0, timeout - (time.monotonic() - began))
            after = turns.after_turn(left)
            if isinstance(after, EnvOutcome):
                return after
            if after.news:
                self.log.info("%s: %s", decision.env_id, after.news)
            time.sleep(after.seconds)
