# SPDX-License-Identifier: Apache-2.0
"""
Create, modify and delete compute environments, and wait until their nodes are as they should be.

An environment outlives the task that created it, and costs money meanwhile: nothing here ends one but the operator that
is made for it. A task that is killed, or that fails because nodes cannot be created, leaves its environment as it is,
and its next try finds the same one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.airflow_compat.exceptions import TaskDeferralError, TaskDeferralTimeout
from airflow_batch_events.airflow_compat.task_state import submission_store
from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS
from airflow_batch_events.events.duration import seconds_of
from airflow_batch_events.events.environment import EnvOutcome, NodeWait, creation_retries_of
from airflow_batch_events.events.environment_removal import Removal
from airflow_batch_events.events.notifications import NOTIFICATION_TARGET, normalize_notifications, read_event_vars
from airflow_batch_events.events.values import name_of, text_of, texts_of
from airflow_batch_events.exceptions import ApiRefusedError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.links.console import BatchComputeEnvLink, CmqQueueLink, CmqTopicLink
from airflow_batch_events.operators.compute_env_mixin import EnvWaitMixin, check_node_count
from airflow_batch_events.operators.job_wait_mixin import timeout_of
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.waiting.create_once import create_once, saying_what_is_left
from airflow_batch_events.waiting.notifying import NotifyMixin
from airflow_batch_events.waiting.parameters import (
    CONNECTION,
    ParameterMixin,
    Reader,
    description_of,
    optional,
    queue_name_of,
    topic_name_of,
)
from airflow_batch_events.waiting.submit_checks import check_description, check_queue, check_wait

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

ENV_ID_XCOM = "env_id"
"""The XCom key under which an environment's id is pushed as soon as it is known, before the wait."""

BUSY_BOUND = 60.0
"""Seconds for which a change is tried again while the environment is busy with another one."""

BUSY_CHECK = 5.0
"""Seconds between those tries."""


class BatchCreateComputeEnvOperator(ParameterMixin, NotifyMixin, EnvWaitMixin, BaseOperator):
    """
    Create a Tencent Cloud Batch compute environment and, if wanted, wait until its nodes run.

    Its id is pushed as XCom ``env_id`` before the wait, and is the return value. A retry finds it again.

    :param compute_env: The API's ``NamedComputeEnv`` object (page 599/15891) in its own PascalCase, or the text of one,
        in JSON or as a template shows it. Text and numbers become what the API takes. (templated)
    :param placement: The API's ``Placement`` object, ``{"Zone": "ap-guangzhou-6"}`` at least, or its text. (templated)
    :param topic_name: The topic to which Batch publishes what happens to the environment and its nodes; its name, not
        its id, at most 64 characters. (templated)
    :param events: The events to publish, one or a list, in either spelling; by default all seven.
    :param event_vars: Custom parameters that come with the events: one mapping for all of them, or one per event name,
        or the text of it. A value is text, a number or a boolean, and goes out as text. They are public: messages,
        logs and XComs show them, so no secret belongs there. (templated)
    :param notifications: Instead of the three above, the full ``Notifications`` list in the API's or the guide's
        spelling, or its text. (templated)
    :param wait_for_nodes: How many nodes have to run before the task succeeds, a number or its text; by default as many
        as the environment is to have. 0 does not wait. (templated)
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again, which takes it up to an
        hour and a half; more fail the task. By default any number, and only the cloud's giving up fails the task.
    :param queue_name: The queue that is subscribed to the topic of the environment's events, each of which causes a
        look at once; read in the triggerer only. By default no queue is read. (templated)
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between looks at the API, which an account may take twice a second: a number, such a
        number as text, or a ``timedelta``.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = (
        "compute_env",
        "placement",
        "topic_name",
        "event_vars",
        "notifications",
        "wait_for_nodes",
        "queue_name",
        "tencentcloud_conn_id",
        "region",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "compute_env": "json",
        "placement": "json",
        "event_vars": "json",
        "notifications": "json",
    }
    readers: ClassVar[Mapping[str, Reader]] = {
        "compute_env": description_of,
        "placement": description_of,
        "topic_name": optional(topic_name_of),
        "event_vars": optional(read_event_vars),
        "notifications": optional(lambda _, value: normalize_notifications(value, allowed=COMPUTE_ENV_EVENTS)),
        "wait_for_nodes": optional(check_node_count),
        "queue_name": optional(queue_name_of),
        **CONNECTION,
    }
    operator_extra_links = (BatchComputeEnvLink(), CmqTopicLink(), CmqQueueLink())
    ui_color = "#e3f5e1"

    def __init__(
        self,
        *,
        compute_env: dict[str, Any],
        placement: dict[str, Any],
        topic_name: str | None = None,
        events: Sequence[str] | str | None = None,
        event_vars: Mapping[str, Any] | None = None,
        notifications: Sequence[Mapping[str, Any]] | None = None,
        wait_for_nodes: int | str | None = None,
        max_failed_nodes: int | str | None = None,
        queue_name: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | str | timedelta = 30.0,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.compute_env = compute_env
        self.placement = placement
        self.topic_name = topic_name
        self.events = self.read_events(events, COMPUTE_ENV_EVENTS)
        self.event_vars = event_vars
        self.notifications = notifications
        self.wait_for_nodes = wait_for_nodes
        self.max_failed_nodes = self.read(optional(check_node_count), "max_failed_nodes", max_failed_nodes)
        self.queue_name = queue_name
        self.deferrable = self.read_flag("deferrable", deferrable)
        self.poll_interval = self.read_interval("poll_interval", poll_interval)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.check_notifying()

    def execute(self, context: Context) -> Any:
        """Create the environment, or find the one that an earlier try has created, and wait."""
        self.read_parameters()
        desired = check_node_count(
            "DesiredComputeNodeCount of compute_env", self.compute_env.get("DesiredComputeNodeCount")
        )
        description = self.with_notifications(
            "compute_env",
            {"NotificationTarget": NOTIFICATION_TARGET, **self.compute_env, "DesiredComputeNodeCount": desired},
            COMPUTE_ENV_EVENTS,
            COMPUTE_ENV_EVENTS,
        )
        wanted = desired if self.wait_for_nodes is None else check_node_count("wait_for_nodes", self.wait_for_nodes)
        if wanted > desired:
            raise ValueError(f"wait_for_nodes is {wanted}, but DesiredComputeNodeCount of compute_env is {desired}")
        reads_queue = self.deferrable and wanted > 0
        check_description(compute_env=description, placement=self.placement)
        check_wait(self, reads_queue=reads_queue)
        store = submission_store(context)
        env_id = create_once(
            self.hook, store, description, self.placement, check=partial(check_queue, self, reads_queue=reads_queue)
        )
        with saying_what_is_left(env_id):
            context["ti"].xcom_push(key=ENV_ID_XCOM, value=env_id)
            self.write_links(context, env_id)
            if self.topic_name is not None:
                CmqTopicLink.persist(context, self.hook.access, self.topic_name)
            if wanted == 0:
                return env_id
            wait = NodeWait(
                env_id,
                wanted,
                max_failed_nodes=self.max_failed_nodes,
                creation_retries=creation_retries_of(description),
            )
            return self._conclude(self.wait_until_nodes_run(wait, timeout=timeout_of(self.execution_timeout)))

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Take what the trigger fired: return the environment's id, or fail with the cloud's reason."""
        with saying_what_is_left(event.get("env_id") if isinstance(event, Mapping) else None):
            return self._conclude(self.outcome_of(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the task, or say what is left of a wait that Airflow itself has ended: no event comes then."""
        with saying_what_is_left(errors=(TaskDeferralError, TaskDeferralTimeout)):
            return super().resume_execution(next_method, next_kwargs, context)

    def _conclude(self, outcome: EnvOutcome) -> str:
        if outcome.error is not None:
            raise outcome.error
        self.log.info("%d nodes of %s run", outcome.running_nodes, outcome.env_id)
        return outcome.env_id


class BatchModifyComputeEnvOperator(ParameterMixin, EnvWaitMixin, BaseOperator):
    """
    Change a compute environment and, if it gets another number of nodes, wait until it has them.

    The wait is over when all nodes that the cloud manages run and are as many as desired: also those that are too many
    have gone. Nodes that users have attached do not count. The return value is the environment's id.

    :param env_id: The environment. (templated)
    :param desired_nodes: How many nodes it is to have, at most 2,000; by default as many as before. (templated)
    :param name: Its new name. (templated)
    :param description: Its new description. (templated)
    :param instance_types: The types that new nodes are created with, tried in order, at most 10; the text of a list, or
        of one type, is taken, too. (templated)
    :param wait_for_completion: Whether to wait until it has ``desired_nodes``.
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again; more fail the task. By
        default any number, and only the cloud's giving up fails the task.
    :param queue_name: The queue that is subscribed to the topic of the environment's events, each of which causes a
        look at once; read in the triggerer only. A node that has gone sends no event. (templated)
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between looks at the API: a number, such a number as text, or a ``timedelta``.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = (
        "env_id",
        "desired_nodes",
        "name",
        "description",
        "instance_types",
        "queue_name",
        "tencentcloud_conn_id",
        "region",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"instance_types": "json"}
    readers: ClassVar[Mapping[str, Reader]] = {
        "env_id": name_of,
        "desired_nodes": optional(check_node_count),
        "name": optional(text_of),
        "description": optional(text_of),
        "instance_types": optional(texts_of),
        "queue_name": optional(queue_name_of),
        **CONNECTION,
    }
    operator_extra_links = (BatchComputeEnvLink(), CmqQueueLink())
    ui_color = "#e3f5e1"

    def __init__(
        self,
        *,
        env_id: str,
        desired_nodes: int | str | None = None,
        name: str | None = None,
        description: str | None = None,
        instance_types: list[str] | None = None,
        wait_for_completion: bool = True,
        max_failed_nodes: int | str | None = None,
        queue_name: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | str | timedelta = 30.0,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.env_id = env_id
        self.desired_nodes = desired_nodes
        self.name = name
        self.description = description
        self.instance_types = instance_types
        self.wait_for_completion = self.read_flag("wait_for_completion", wait_for_completion)
        self.max_failed_nodes = self.read(optional(check_node_count), "max_failed_nodes", max_failed_nodes)
        self.queue_name = queue_name
        self.deferrable = self.read_flag("deferrable", deferrable)
        self.poll_interval = self.read_interval("poll_interval", poll_interval)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def execute(self, context: Context) -> Any:
        """Change the environment, and wait."""
        self.read_parameters()
        count = None if self.desired_nodes is None else check_node_count("desired_nodes", self.desired_nodes)
        if all(value is None for value in (count, self.name, self.description, self.instance_types)):
            raise ValueError("nothing is to be changed: set desired_nodes, name, description or instance_types")
        reads_queue = self.deferrable and count is not None and self.wait_for_completion
        check_wait(self, reads_queue=reads_queue)
        check_queue(self, reads_queue=reads_queue)
        self.write_links(context, self.env_id)
        self._modify(count)
        if count is None or not self.wait_for_completion:
            return self.env_id
        wait = NodeWait(self.env_id, count, exactly=True, max_failed_nodes=self.max_failed_nodes)
        return self._conclude(self.wait_until_nodes_run(wait, timeout=timeout_of(self.execution_timeout)))

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Take what the trigger fired: return the environment's id, or fail with the cloud's reason."""
        return self._conclude(self.outcome_of(event))

    def _modify(self, count: int | None) -> None:
        request = batch.modify_compute_env(
            self.env_id,
            desired_node_count=count,
            name=self.name,
            description=self.description,
            env_data=None if self.instance_types is None else {"InstanceTypes": list(self.instance_types)},
        )
        began = time.monotonic()
        while True:
            try:
                self.hook.send(request)
            except ApiRefusedError as error:
                # A change is refused while another one is being made, and while nodes are being created.
                if time.monotonic() - began >= BUSY_BOUND:
                    raise
                self.log.info("Will try again: %s", error)
                time.sleep(BUSY_CHECK)
            else:
                self.log.info("Changed %s", self.env_id)
                return

    def _conclude(self, outcome: EnvOutcome) -> str:
        if outcome.error is not None:
            raise outcome.error
        self.log.info("%s has %d nodes, and all run", outcome.env_id, outcome.running_nodes)
        return outcome.env_id


class BatchDeleteComputeEnvOperator(ParameterMixin, EnvWaitMixin, BaseOperator):
    """
    Delete a compute environment and wait until it is gone; one that does not exist is as it should be.

    The cloud refuses to delete an environment that has nodes, and to take away nodes that are being created; both is
    tried again until ``timeout``. Jobs that run on the nodes lose them.

    :param env_id: The environment. (templated)
    :param drain: Whether to take its nodes away first; without, one that is meant to have nodes fails the task.
    :param timeout: Seconds that all of it may take: a number, such a number as text, or a ``timedelta``.
    :param queue_name: The queue that is subscribed to the topic of the environment's events, each of which causes a
        look at once; read in the triggerer only. A node that has gone sends no event. (templated)
    :param deferrable: Whether to do it in the triggerer; by default as ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between tries and looks.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = ("env_id", "queue_name", "tencentcloud_conn_id", "region")
    readers: ClassVar[Mapping[str, Reader]] = {"env_id": name_of, "queue_name": optional(queue_name_of), **CONNECTION}
    operator_extra_links = (BatchComputeEnvLink(), CmqQueueLink())
    ui_color = "#fbe0dc"

    def __init__(
        self,
        *,
        env_id: str,
        drain: bool = False,
        timeout: float | str | timedelta = 3600.0,
        queue_name: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | str | timedelta = 15.0,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.env_id = env_id
        self.drain = self.read_flag("drain", drain)
        self.timeout = self.read(seconds_of, "timeout", timeout)
        self.queue_name = queue_name
        self.deferrable = self.read_flag("deferrable", deferrable)
        self.poll_interval = self.read_interval("poll_interval", poll_interval)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def execute(self, context: Context) -> None:
        """Delete the environment."""
        self.read_parameters()
        check_wait(self, reads_queue=self.deferrable)
        check_queue(self, reads_queue=self.deferrable)
        self.write_links(context, self.env_id)
        self._conclude(self.remove(Removal(self.env_id, drain=self.drain), timeout=self.timeout))

    def execute_complete(self, context: Context, event: Any = None) -> None:
        """Take what the trigger fired: it is gone, or the task fails with what is in the way."""
        self._conclude(self.outcome_of(event))

    def _conclude(self, outcome: EnvOutcome) -> None:
        if outcome.error is not None:
            raise outcome.error
        self.log.info("%s does not exist (any more)", outcome.env_id)
