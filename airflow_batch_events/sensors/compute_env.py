# SPDX-License-Identifier: Apache-2.0
"""Wait for the nodes of a compute environment that something else has created or changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import PokeReturnValue

from airflow_batch_events.airflow_compat.deferral import skipping_errors
from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout
from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.events.environment import EnvOutcome, EnvOutcomeDict, NodeWait
from airflow_batch_events.events.values import name_of
from airflow_batch_events.jobs.blocking_wait import VISIBILITY_CHECK
from airflow_batch_events.links.console import BatchComputeEnvLink, CmqQueueLink
from airflow_batch_events.operators.base import WaitingOperator
from airflow_batch_events.operators.compute_env_wait import ComputeEnvWaitOperator
from airflow_batch_events.sensors.base import TencentCloudSensor
from airflow_batch_events.waiting.parameters import Reader, node_count_of, optional

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class BatchComputeEnvSensor(ComputeEnvWaitOperator, TencentCloudSensor):
    """
    Wait until so many nodes of a compute environment run.

    It polls the API every ``poke_interval``, which an account may do twice a second. With ``queue_name``, a deferred
    sensor also polls when an event about the environment comes (``COMPUTE_ENV_*``, ``COMPUTE_NODE_*``), so that
    ``poke_interval`` can be long. The return value says how many nodes run; the task fails with the cloud's reason when
    nodes cannot be created.

    The bases take ``queue_name``, ``deferrable``, ``tencentcloud_conn_id`` and ``region``.

    :param env_id: The environment. (templated)
    :param nodes: How many nodes have to run, a number or its text, those that users have attached included. (templated)
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again; more fail the task. By
        default any number, and only a node that the cloud has not tried to create again in time fails the task.
    """

    readers: ClassVar[Mapping[str, Reader]] = {"env_id": name_of, "nodes": node_count_of, **WaitingOperator.readers}
    template_fields: Sequence[str] = tuple(readers)
    operator_extra_links = (BatchComputeEnvLink(), CmqQueueLink())
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        env_id: str,
        nodes: int | str = 1,
        max_failed_nodes: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.env_id = env_id
        self.nodes = nodes
        self.max_failed_nodes = self.read(optional(node_count_of), "max_failed_nodes", max_failed_nodes)
        self.poll_interval = self.poke_interval
        self._wait: NodeWait | None = None

    def execute(self, context: Context) -> EnvOutcomeDict:
        """Wait in the triggerer or, as every sensor, by poking."""
        self.read_parameters()
        wait = self._wait = self._new_wait()
        self.write_links(context, self.env_id)
        if not self.deferrable:
            try:
                outcome: EnvOutcomeDict = super().execute(context)
                return outcome
            except AirflowSensorTimeout:
                # As a deferred wait ends: with what is known of the nodes, and as never_fail says.
                wait.on_deadline()
                if wait.outcome is None:
                    raise
                return self._conclude(wait.outcome)
        return self._conclude(self.wait_until_nodes_run(wait, timeout=self.timeout))

    def execute_complete(self, context: Context, event: object = None) -> EnvOutcomeDict:
        """Take what the trigger fired: say how many nodes run, or fail with the cloud's reason."""
        with skipping_errors(self):
            return self._conclude(self.outcome_of(event))

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll the API once; what cannot be read, the next poke tells."""
        wait = self._wait = self._wait or self._new_wait()
        self.poll_for_poke(context, lambda: self._poll_once(wait))
        if wait.outcome is None:
            self.log.info("%s: %s", self.env_id, wait.progress)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._conclude(wait.outcome))

    def _poll_once(self, wait: NodeWait) -> bool:
        has_answered = self.poll(wait)
        # A rescheduled sensor does not remember at its next poke what it has to confirm.
        while self.reschedule and not wait.is_done and (wait.is_missing or wait.is_refused):
            time.sleep(CONFIRM_INTERVAL if wait.is_refused else VISIBILITY_CHECK)
            self.poll(wait)
        return has_answered

    def _new_wait(self) -> NodeWait:
        return NodeWait(self.env_id, node_count_of("nodes", self.nodes), max_failed_nodes=self.max_failed_nodes)

    def _conclude(self, outcome: EnvOutcome) -> EnvOutcomeDict:
        if outcome.error is not None:
            self.end_with(outcome.error)
        self.log.info("%d nodes of %s run", outcome.running_nodes, outcome.env_id)
        return outcome.to_dict()
