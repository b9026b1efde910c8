# SPDX-License-Identifier: Apache-2.0
"""
A topic, a queue and the subscription between them: created where missing, checked where present.

First a plan from what is there, then the steps; so a dry run and a real one cannot differ. Nothing that exists is ever
changed or deleted: where it does not fit, the plan says what to change.

Sources: guide 599/17924 (the three steps), API pages 1179/55915 to 55917.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batch_events.events.notifications import check_topic_name
from airflow_batch_events.exceptions import ApiNotFoundError, ConfigurationError
from airflow_batch_events.limits import MAX_NAME
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.provisioning.defaults import RETENTION, VISIBILITY_TIMEOUT
from airflow_batch_events.provisioning.queue_names import check_queue_name

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Request, Send

T = TypeVar("T")
DEAD_LETTER_SUFFIX = "-dead"
"""The dead-letter queue's name is the queue's with this behind it; names must not end in ``-dlq``."""

RESERVED_SUFFIXES = ("-dlq", "-retry")
"""What no queue's name may end in."""

QUEUE_DEFAULTS = tdmq.QueueSettings(
    visibility_timeout=VISIBILITY_TIMEOUT, polling_wait_seconds=3, msg_retention_seconds=RETENTION
)

DEAD_LETTER_RECEIVES = 100
"""Receives after which a message that is never deleted is put aside; orphans are deleted long before."""


@dataclass(frozen=True)
class DesiredState:
    """
    What there shall be.

    :param topic_name: The topic that jobs notify.
    :param queue_name: The queue that waits read.
    :param subscription_name: The subscription's name in its topic; by default ``to-`` and the queue's name.
    :param settings: The queue's settings, if it is created.
    :param dead_letters: Whether a queue that is created gets a dead-letter queue.
    :raises ConfigurationError: For a name that cannot be one.
    """

    topic_name: str
    queue_name: str
    subscription_name: str = ""
    settings: tdmq.QueueSettings = QUEUE_DEFAULTS
    dead_letters: bool = True

    def __post_init__(self) -> None:
        # All names before anything is created.
        check_topic_name(self.topic_name)
        check_queue_name(self.queue_name)
        if self.subscription_name:
            check_topic_name(self.subscription_name, "subscription_name")
        if "{" in self.queue_name:
            # A task runs on a worker, whose name is not the triggerer's.
            raise ConfigurationError(
                f"queue {self.queue_name!r} stands for one queue of each triggerer: create them where those run, "
                f"with airflow-batch-events provision --queue {self.queue_name!r} on each of their hosts"
            )

    @property
    def subscription(self) -> str:
        """The subscription's name."""
        return self.subscription_name or f"to-{self.queue_name}"[:MAX_NAME]

    @property
    def dead_letter_queue(self) -> str:
        """The dead-letter queue's name."""
        return self.queue_name[: MAX_NAME - len(DEAD_LETTER_SUFFIX)] + DEAD_LETTER_SUFFIX


@dataclass(frozen=True)
class ProvisionStep:
    """
    One thing to create.

    :param title: What, for people.
    :param request: The call that creates it.
    """

    title: str
    request: Request[Any] = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """
    What is there, what will be created, and what does not fit.

    :param present: What is there already.
    :param steps: What to create, in this order.
    :param problems: What is there but would not work, with what to change.
    """

    present: tuple[str, ...]
    steps: tuple[ProvisionStep, ...]
    problems: tuple[str, ...]


def make_plan(
    wanted: DesiredState,
    topic: tdmq.TopicAttributes | None,
    queue: tdmq.QueueAttributes | None,
    dead_letter_queue: tdmq.QueueAttributes | None,
    subscriptions: Sequence[tdmq.Subscription],
) -> Plan:
    """
    Compare what shall be with what is.

    :param wanted: What there shall be.
    :param topic: The topic, if there is one.
    :param queue: The queue, if there is one.
    :param dead_letter_queue: The dead-letter queue that a new queue would get, if there is one.
    :param subscriptions: The topic's subscriptions.
    """
    present, steps, problems = [], [], []
    if topic is not None:
        present.append(f"topic {wanted.topic_name}")
    else:
        steps.append(ProvisionStep(f"create topic {wanted.topic_name}", tdmq.create_topic(wanted.topic_name)))
    if queue is not None:
        present.append(f"queue {wanted.queue_name}")
        rewind_seconds = wanted.settings.rewind_seconds or 0
        if rewind_seconds > (queue.rewind_seconds or 0):
            problems.append(
                f"queue {wanted.queue_name} keeps deleted messages for {queue.rewind_seconds or 0} s: set its message "
                f"rewind to {rewind_seconds} s in the TDMQ console"
            )
    else:
        settings = wanted.settings
        if wanted.dead_letters:
            dead = wanted.dead_letter_queue
            if dead_letter_queue is None:
                steps.append(ProvisionStep(f"create dead-letter queue {dead}", tdmq.create_queue(dead)))
            settings = settings.with_dead_letters(dead, DEAD_LETTER_RECEIVES)
        if wanted.queue_name.endswith(RESERVED_SUFFIXES):
            problems.append(f"queue {wanted.queue_name} cannot be created: its name must not end in -dlq or -retry")
        steps.append(ProvisionStep(f"create queue {wanted.queue_name}", tdmq.create_queue(wanted.queue_name, settings)))
    ours = [item for item in subscriptions if item.endpoint == wanted.queue_name and item.protocol == "queue"]
    taken = [item for item in subscriptions if item.name == wanted.subscription and item not in ours]
    if taken:
        problems.append(
            f"subscription {wanted.subscription} of topic {wanted.topic_name} forwards to {taken[0].protocol} "
            f"{taken[0].endpoint}, not to queue {wanted.queue_name}: choose another subscription name"
        )
    elif not ours:
        request = tdmq.create_subscription(wanted.topic_name, wanted.subscription, wanted.queue_name)
        steps.append(ProvisionStep(f"create subscription {wanted.subscription} from topic to queue", request))
    for item in ours:
        present.append(f"subscription {item.name} from topic to queue")
        problems += subscription_problems(item)
    return Plan(tuple(present), tuple(steps), tuple(problems))


def subscription_problems(subscription: tdmq.Subscription) -> list[str]:
    """Return why Batch's events would not come through a subscription, with what to change."""
    where = f"subscription {subscription.name} of topic {subscription.topic_name}"
    problems = []
    if subscription.content_format not in ("", "SIMPLIFIED"):
        problems.append(f"{where} has NotifyContentFormat {subscription.content_format}: change it to SIMPLIFIED")
    if subscription.filter_tags:
        tags = ", ".join(subscription.filter_tags)
        problems.append(f"{where} filters by the tags {tags}, and Batch sends none: clear its filter tags")
    if any(key != "#" for key in subscription.binding_keys):
        keys = ", ".join(subscription.binding_keys)
        problems.append(f"{where} filters by the binding keys {keys}, and Batch sends none: set the key #, or none")
    return problems


def plan(send: Send, wanted: DesiredState) -> Plan:
    """
    Read what is there, and plan.

    :param send: Makes a call, as ``SdkClient.send`` does.
    :param wanted: What there shall be.
    """
    topic = _find(send, tdmq.describe_topic(wanted.topic_name))
    return make_plan(
        wanted,
        topic,
        _find(send, tdmq.describe_queue(wanted.queue_name)),
        _find(send, tdmq.describe_queue(wanted.dead_letter_queue)) if wanted.dead_letters else None,
        tdmq.list_subscriptions(send, wanted.topic_name) if topic is not None else (),
    )


def apply(send: Send, plan: Plan, tell: Callable[[str], None]) -> None:
    """
    Create what is missing.

    :param send: Makes a call, as ``SdkClient.send`` does.
    :param plan: What to create.
    :param tell: Told of each step before it is made.
    :raises ConfigurationError: When something that is there does not fit; then nothing is created.
    """
    if plan.problems:
        raise ConfigurationError("; ".join(plan.problems))
    for step in plan.steps:
        tell(step.title)
        send(step.request)


def _find(send: Send, request: Request[T]) -> T | None:
    try:
        return send(request)
    except ApiNotFoundError:
        return None
