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

from airflow_batch_events.airflow_compat.exceptions import TaskDeferralError, TaskDeferralTimeout
from airflow_batch_events.airflow_compat.task_state import submission_store
from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS
from airflow_batch_events.events.duration import seconds_of
from airflow_batch_events.events.environment import EnvOutcome, NodeWait, creation_retries_of
from airflow_batch_events.events.environment_removal import Removal
from airflow_batch_events.events.notifications import NOTIFICATION_TARGET, normalize_notifications
from airflow_batch_events.events.values import name_of, text_of, texts_of
from airflow_batch_events.exceptions import ApiRefusedError
from airflow_batch_events.links.console import BatchComputeEnvLink, CmqQueueLink, CmqTopicLink
from airflow_batch_events.operators.base import PollingOperator
from airflow_batch_events.operators.compute_env_wait import ComputeEnvWaitOperator
from airflow_batch_events.operators.notifying import NOTIFYING, NotifyingOperator
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.submission.tag_search import find_tagged
from airflow_batch_events.waiting.create_once import ComputeEnvSubmission, saying_what_is_left
from airflow_batch_events.waiting.parameters import Reader, description_of, node_count_of, optional
from airflow_batch_events.waiting.submit_checks import check_description, check_queue, check_wait
from airflow_batch_events.waiting.submit_once import submit_once

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

ENV_ID_XCOM = "env_id"
"""The XCom key under which an environment's id is pushed as soon as it is known, before the wait."""

BUSY_BOUND = 60.0
"""Seconds for which a change is tried again while the environment is busy with another one."""

BUSY_CHECK = 5.0
"""Seconds between those tries."""


class BatchCreateComputeEnvOperator(NotifyingOperator, ComputeEnvWaitOperator, PollingOperator):
    """
    Create a Tencent Cloud Batch compute environment and, if wanted, wait until its nodes run.

    Its id is pushed as XCom ``env_id`` before the wait, and is the return value. A retry finds it again. Before Airflow
    3.3 it does so by six tags that are added to the environment, of the ten that the API takes; it does not notice
    another account, region or endpoint then.

    The bases take what the environment publishes (``topic_name``, ``events``, ``event_vars``, ``notifications``), how
    the task waits (``queue_name``, ``deferrable``, ``poll_interval``), ``tencentcloud_conn_id`` and ``region``.

    :param compute_env: The API's ``NamedComputeEnv`` object (page 599/15891) in its own PascalCase, or the text of one,
        in JSON or as a template shows it. Text and numbers become what the API takes. (templated)
    :param placement: The API's ``Placement`` object, ``{"Zone": "ap-guangzhou-6"}`` at least, or its text. (templated)
    :param wait_for_nodes: How many nodes have to run before the task succeeds, a number or its text; by default as many
        as the environment is to have. 0 does not wait. (templated)
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again, which takes it up to an
        hour and a half; more fail the task. By default any number, and only the cloud's giving up fails the task.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "compute_env": description_of,
        "placement": description_of,
        **NOTIFYING,
        "notifications": optional(lambda _, value: normalize_notifications(value, allowed=COMPUTE_ENV_EVENTS)),
        "wait_for_nodes": optional(node_count_of),
        **PollingOperator.readers,
    }
    template_fields: Sequence[str] = tuple(readers)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "compute_env": "json",
        "placement": "json",
        **NotifyingOperator.template_fields_renderers,
    }
    operator_extra_links = (BatchComputeEnvLink(), CmqTopicLink(), CmqQueueLink())
    ui_color = "#e3f5e1"
    allowed_events = COMPUTE_ENV_EVENTS
    default_events = COMPUTE_ENV_EVENTS

    def __init__(
        self,
        *,
        compute_env: dict[str, Any],
        placement: dict[str, Any],
        wait_for_nodes: int | str | None = None,
        max_failed_nodes: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.compute_env = compute_env
        self.placement = placement
        self.wait_for_nodes = wait_for_nodes
        self.max_failed_nodes = self.read(optional(node_count_of), "max_failed_nodes", max_failed_nodes)

    def execute(self, context: Context) -> str:
        """Create the environment, or find the one that an earlier try has created, and wait."""
        self.read_parameters()
        desired = node_count_of(
            "DesiredComputeNodeCount of compute_env", self.compute_env.get("DesiredComputeNodeCount")
        )
        description = self.with_notifications(
            "compute_env",
            {"NotificationTarget": NOTIFICATION_TARGET, **self.compute_env, "DesiredComputeNodeCount": desired},
        )
        wanted = desired if self.wait_for_nodes is None else node_count_of("wait_for_nodes", self.wait_for_nodes)
        if wanted > desired:
            raise ValueError(f"wait_for_nodes is {wanted}, but DesiredComputeNodeCount of compute_env is {desired}")
        reads_queue = self.deferrable and wanted > 0
        check_description(compute_env=description, placement=self.placement)
        check_wait(self, reads_queue=reads_queue)
        _, env_id = submit_once(
            ComputeEnvSubmission(self.hook, description, self.placement),
            submission_store(context, partial(find_tagged, self.hook.send, batch.describe_tagged_compute_envs)),
            check=partial(check_queue, self, reads_queue=reads_queue),
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
            return self._conclude(self.wait_until_nodes_run(wait, timeout=self.time_allowed))

    def execute_complete(self, context: Context, event: object = None) -> str:
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


class BatchModifyComputeEnvOperator(ComputeEnvWaitOperator, PollingOperator):
    """
    Change a compute environment and, if it gets another number of nodes, wait until it has them.

    The wait is over when all nodes that the cloud manages run and are as many as desired: also those that are too many
    have gone. Nodes that users have attached do not count. The return value is the environment's id.

    The bases take ``queue_name``, ``deferrable``, ``poll_interval``, ``tencentcloud_conn_id`` and ``region``. A node
    that has gone sends no event.

    :param env_id: The environment. (templated)
    :param desired_nodes: How many nodes it is to have, at most 2,000; by default as many as before. (templated)
    :param name: Its new name. (templated)
    :param description: Its new description. (templated)
    :param instance_types: The types that new nodes are created with, tried in order, at most 10; the text of a list, or
        of one type, is taken, too. (templated)
    :param wait_for_completion: Whether to wait until it has ``desired_nodes``.
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again; more fail the task. By
        default any number, and only the cloud's giving up fails the task.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "env_id": name_of,
        "desired_nodes": optional(node_count_of),
        "name": optional(text_of),
        "description": optional(text_of),
        "instance_types": optional(texts_of),
        **PollingOperator.readers,
    }
    template_fields: Sequence[str] = tuple(readers)
    template_fields_renderers: ClassVar[dict[str, str]] = {"instance_types": "json"}
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.env_id = env_id
        self.desired_nodes = desired_nodes
        self.name = name
        self.description = description
        self.instance_types = instance_types
        self.wait_for_completion = self.read_flag("wait_for_completion", wait_for_completion)
        self.max_failed_nodes = self.read(optional(node_count_of), "max_failed_nodes", max_failed_nodes)

    def execute(self, context: Context) -> str:
        """Change the environment, and wait."""
        self.read_parameters()
        count = None if self.desired_nodes is None else node_count_of("desired_nodes", self.desired_nodes)
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
        return self._conclude(self.wait_until_nodes_run(wait, timeout=self.time_allowed))

    def execute_complete(self, context: Context, event: object = None) -> str:
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


class BatchDeleteComputeEnvOperator(ComputeEnvWaitOperator, PollingOperator):
    """
    Delete a compute environment and wait until it is gone; one that does not exist is as it should be.

    The cloud refuses to delete an environment that has nodes, and to take away nodes that are being created; both is
    tried again until ``timeout``. Jobs that run on the nodes lose them.

    The bases take ``queue_name``, ``deferrable``, ``tencentcloud_conn_id`` and ``region``. A node that has gone sends
    no event.

    :param env_id: The environment. (templated)
    :param drain: Whether to take its nodes away first; without, one that is meant to have nodes fails the task.
    :param timeout: Seconds that all of it may take: a number, such a number as text, or a ``timedelta``.
    :param poll_interval: Seconds between tries and polls.
    """

    readers: ClassVar[Mapping[str, Reader]] = {"env_id": name_of, **PollingOperator.readers}
    template_fields: Sequence[str] = tuple(readers)
    operator_extra_links = (BatchComputeEnvLink(), CmqQueueLink())
    ui_color = "#fbe0dc"

    def __init__(
        self,
        *,
        env_id: str,
        drain: bool = False,
        timeout: float | str | timedelta = 3600.0,
        poll_interval: float | str | timedelta = 15.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poll_interval=poll_interval, **kwargs)
        self.env_id = env_id
        self.drain = self.read_flag("drain", drain)
        self.timeout = self.read(seconds_of, "timeout", timeout)

    def execute(self, context: Context) -> None:
        """Delete the environment."""
        self.read_parameters()
        check_wait(self, reads_queue=self.deferrable)
        check_queue(self, reads_queue=self.deferrable)
        self.write_links(context, self.env_id)
        self._conclude(self.remove(Removal(self.env_id, drain=self.drain), timeout=self.timeout))

    def execute_complete(self, context: Context, event: object = None) -> None:
        """Take what the trigger fired: it is gone, or the task fails with what is in the way."""
        self._conclude(self.outcome_of(event))

    def _conclude(self, outcome: EnvOutcome) -> None:
        if outcome.error is not None:
            raise outcome.error
        self.log.info("%s does not exist (any more)", outcome.env_id)
