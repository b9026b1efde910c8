# SPDX-License-Identifier: Apache-2.0
"""Create the topic, the queue and the subscription that events come through, from a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_batch_events.events.duration import seconds_of
from airflow_batch_events.events.values import whole_of
from airflow_batch_events.limits import MAX_VISIBILITY
from airflow_batch_events.links.console import CmqQueueLink, CmqTopicLink
from airflow_batch_events.operators.base import TencentCloudOperator
from airflow_batch_events.provisioning import provision
from airflow_batch_events.provisioning.provision import QUEUE_DEFAULTS, DesiredState
from airflow_batch_events.text import MAX_TEXT, printable
from airflow_batch_events.waiting.parameters import Reader, queue_name_of, topic_name_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class CmqEnsureSubscriptionOperator(TencentCloudOperator):
    """
    Make sure that a topic, a queue and the subscription between them exist.

    What is missing is created, what is present is checked. Nothing that exists is changed; where it would not work, the
    task fails and says what to change. The return value lists what was created.

    The base takes ``tencentcloud_conn_id`` and ``region``.

    :param topic_name: The topic that jobs notify. (templated)
    :param queue_name: The queue that waits read. (templated)
    :param subscription_name: The subscription's name; by default ``to-`` and the queue's name. (templated)
    :param visibility_timeout: Seconds until a message that was received but not deleted comes back, for a queue that is
        created; 1 to 43,200, whole: a number, such a number as text, or a ``timedelta``.
    :param dead_letters: Whether a queue that is created gets a dead-letter queue for what nobody can read.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "topic_name": topic_name_of,
        "queue_name": queue_name_of,
        "subscription_name": lambda name, value: "" if value == "" else topic_name_of(name, value),
        **TencentCloudOperator.readers,
    }
    template_fields: Sequence[str] = tuple(readers)
    operator_extra_links = (CmqTopicLink(), CmqQueueLink())
    ui_color = "#e4f4e4"

    def __init__(
        self,
        *,
        topic_name: str,
        queue_name: str,
        subscription_name: str = "",
        visibility_timeout: int | str | timedelta = 30,
        dead_letters: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topic_name = topic_name
        self.queue_name = queue_name
        self.subscription_name = subscription_name
        seconds = self.read(seconds_of, "visibility_timeout", visibility_timeout)
        self.visibility_timeout = self.read(whole_of, "visibility_timeout", seconds, least=1, most=MAX_VISIBILITY)
        self.dead_letters = self.read_flag("dead_letters", dead_letters)

    def execute(self, context: Context) -> list[str]:
        """Create what is missing."""
        self.read_parameters()
        CmqTopicLink.persist(context, self.hook.access, self.topic_name)
        CmqQueueLink.persist(context, self.hook.access, self.queue_name)
        wanted = DesiredState(
            topic_name=self.topic_name,
            queue_name=self.queue_name,
            subscription_name=self.subscription_name,
            settings=replace(QUEUE_DEFAULTS, visibility_timeout=self.visibility_timeout),
            dead_letters=self.dead_letters,
        )
        plan = provision.plan(self.hook.send, wanted)
        for item in plan.present:
            self.log.info("There: %s", printable(item, MAX_TEXT))
        provision.apply(self.hook.send, plan, lambda title: self.log.info("%s", printable(title, MAX_TEXT)))
        return [step.title for step in plan.steps]
