# SPDX-License-Identifier: Apache-2.0
"""What jobs and compute environments publish: the same four parameters for whatever submits or creates one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_batch_events.events.catalog import EventName
from airflow_batch_events.events.notifications import (
    NOTIFICATION_TARGET,
    build_notifications,
    normalize_notifications,
    read_event_vars,
)
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.operators.base import TencentCloudOperator
from airflow_batch_events.waiting.parameters import CONNECTION, Reader, optional, topic_name_of

NOTIFYING: Mapping[str, Reader] = {
    "topic_name": optional(topic_name_of),
    "event_vars": optional(read_event_vars),
    "notifications": optional(lambda _, value: normalize_notifications(value)),
}
"""The readers of the parameters that :class:`NotifyingOperator` adds."""


class NotifyingOperator(TencentCloudOperator):
    """
    An operator that submits or creates something which publishes events.

    :param topic_name: The topic to which Batch publishes the events: its name, not its id, at most 64 characters.
        (templated)
    :param events: The events to publish, one or a list, in either spelling. By default those that settle a wait for a
        job, without which a wait learns how the job ended only by polling the API; or all seven of an environment.
    :param event_vars: Custom parameters that come with the events: one mapping for all of them, or one per event name,
        or the text of it. A value is text, a number or a boolean, and goes out as text. They are public: messages, logs
        and XComs show them, so put no secret there. (templated)
    :param notifications: Instead of the three above, the full ``Notifications`` list in the API's or the guide's
        spelling, or its text. (templated)
    """

    readers: ClassVar[Mapping[str, Reader]] = {**NOTIFYING, **CONNECTION}
    template_fields: Sequence[str] = tuple(readers)
    template_fields_renderers: ClassVar[dict[str, str]] = {"event_vars": "json", "notifications": "json"}

    allowed_events: ClassVar[Sequence[EventName]]
    """The events that make sense for what is submitted or created."""

    default_events: ClassVar[Sequence[EventName]]
    """The events to publish where none are named."""

    def __init__(
        self,
        *,
        topic_name: str | None = None,
        events: Sequence[str] | str | None = None,
        event_vars: Mapping[str, Any] | None = None,
        notifications: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topic_name = topic_name
        self.events = self.read_events(events, self.allowed_events)
        self.event_vars = event_vars
        self.notifications = notifications
        if topic_name is not None and notifications is not None:
            raise ParameterError(
                f"task {self.task_id!r}: topic_name and notifications are both set: name the topic and its events, or "
                f"give the full list"
            )
        if topic_name is None and (events is not None or event_vars is not None):
            raise ParameterError(f"task {self.task_id!r}: events and event_vars need a topic_name to publish to")

    def with_notifications(self, name: str, description: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return a description with what it is to publish.

        :param name: The parameter that holds the description.
        :param description: The API's object.
        :raises ParameterError: When the description has its own notifications as well.
        """
        if self.topic_name is not None:
            events = self.default_events if self.events is None else self.events
            notifications = build_notifications(self.topic_name, events, self.event_vars, allowed=self.allowed_events)
        elif self.notifications is not None:
            notifications = normalize_notifications(self.notifications, allowed=self.allowed_events)
        elif description.get("Notifications"):
            return {"NotificationTarget": NOTIFICATION_TARGET, **description}
        else:
            return dict(description)
        if description.get("Notifications"):
            raise ParameterError(
                f"task {self.task_id!r}: {name} has its own Notifications: leave them out, or leave out topic_name and "
                f"notifications"
            )
        return {"NotificationTarget": NOTIFICATION_TARGET, **description, "Notifications": notifications}
