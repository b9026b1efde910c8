# SPDX-License-Identifier: Apache-2.0
"""Wait for the nodes of a compute environment that something else has created or changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.events.environment import EnvOutcome, EnvOutcomeDict, NodeWait
from airflow_batch_events.events.values import name_of
from airflow_batch_events.exceptions import ComputeEnvTimeoutError, CredentialsError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.jobs.blocking_wait import VISIBILITY_CHECK
from airflow_batch_events.links.console import BatchComputeEnvLink, CmqQueueLink
from airflow_batch_events.operators.compute_env_mixin import EnvWaitMixin, check_node_count
from airflow_batch_events.operators.job_wait_mixin import skipping_errors
from airflow_batch_events.waiting.parameters import (
    CONNECTION,
    ParameterMixin,
    Reader,
    optional,
    queue_name_of,
    sensor_arguments,
)

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class BatchComputeEnvSensor(ParameterMixin, EnvWaitMixin, BaseSensorOperator):
    """
    Wait until so many nodes of a compute environment run.

    Looks at the API every ``poke_interval``, which an account may take twice a second; with ``queue_name`` also when an
    event about the environment comes, so that ``poke_interval`` can be long. The return value says how many nodes run;
    the task fails with the cloud's reason when nodes cannot be created.

    :param env_id: The environment. (templated)
    :param nodes: How many nodes have to run, a number or its text, those that users have attached included. (templated)
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again; more fail the task. By
        default any number, and only a node that the cloud has not tried to create again in time fails the task.
    :param queue_name: The queue that gets the environment's events (``COMPUTE_ENV_*``, ``COMPUTE_NODE_*``); read in the
        triggerer only. By default no queue is read. (templated)
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = ("env_id", "nodes", "queue_name", "tencentcloud_conn_id", "region")
    readers: ClassVar[Mapping[str, Reader]] = {
        "env_id": name_of,
        "nodes": check_node_count,
        "queue_name": optional(queue_name_of),
        **CONNECTION,
    }
    operator_extra_links = (BatchComputeEnvLink(), CmqQueueLink())
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        env_id: str,
        nodes: int | str = 1,
        max_failed_nodes: int | str | None = None,
        queue_name: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**sensor_arguments(kwargs))
        self.env_id = env_id
        self.nodes = nodes
        self.max_failed_nodes = self.read(optional(check_node_count), "max_failed_nodes", max_failed_nodes)
        self.queue_name = queue_name
        self.deferrable = self.read_flag("deferrable", deferrable)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.poll_interval = self.poke_interval
        self._wait: NodeWait | None = None
        self._has_answered = False

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer or, as every sensor, by poking."""
        self.read_parameters()
        wait = self._wait = self._new_wait()
        self.write_links(context, self.env_id)
        if not self.deferrable:
            try:
                return super().execute(context)
            except AirflowSensorTimeout:
                # As a deferred wait ends: with what is known of the nodes, and as never_fail says.
                wait.on_deadline()
                if wait.outcome is None:
                    raise
                return self._conclude(wait.outcome)
        return self._conclude(self.wait_until_nodes_run(wait, timeout=self.timeout))

    def execute_complete(self, context: Context, event: Any = None) -> EnvOutcomeDict:
        """Take what the trigger fired: say how many nodes run, or fail with the cloud's reason."""
        with skipping_errors(self):
            return self._conclude(self.outcome_of(event))

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the API once."""
        if self._wait is None:
            self._wait = self._new_wait()
        wait = self._wait
        try:
            self._has_answered |= self.poll(wait)
            # A rescheduled sensor begins anew with each poke and would never remember what it has to confirm.
            while self.reschedule and not wait.is_done and (wait.is_missing or wait.is_refused):
                time.sleep(CONFIRM_INTERVAL if wait.is_refused else VISIBILITY_CHECK)
                self.poll(wait)
        except CredentialsError as error:
            # Keys that were good once are on their way to be exchanged.
            was_rescheduled = self.reschedule and context["ti"].get_first_reschedule_date(context) is not None
            if not self._has_answered and not was_rescheduled:
                raise
            self.log.warning("The keys were refused, will look again: %s", error)
        if wait.outcome is None:
            self.log.info("%s: %s", self.env_id, wait.progress)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._conclude(wait.outcome))

    def _new_wait(self) -> NodeWait:
        return NodeWait(
            self.env_id,
            check_node_count("nodes", self.nodes),
            max_failed_nodes=self.max_failed_nodes,
        )

    def _conclude(self, outcome: EnvOutcome) -> EnvOutcomeDict:
        error = outcome.error
        if error is None:
            self.log.info("%d nodes of %s run", outcome.running_nodes, outcome.env_id)
            return outcome.to_dict()
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(f"Skipping, because soft_fail or never_fail is set: {error}") from error
        if isinstance(error, ComputeEnvTimeoutError):
            # The class that Airflow's own sensors end with, which also says that a retry would be in vain.
            raise AirflowSensorTimeout(str(error)) from error
        raise error
