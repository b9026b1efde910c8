# SPDX-License-Identifier: Apache-2.0
"""What jobs and compute environments publish: the same four parameters of whatever submits or creates one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batch_events.events.catalog import EventName
from airflow_batch_events.events.notifications import (
    NOTIFICATION_TARGET,
    build_notifications,
    normalize_notifications,
)
from airflow_batch_events.exceptions import ParameterError


class NotifyMixin:
    """Attach notifications; for operators that have the parameters named below."""

    task_id: str
    topic_name: str | None
    events: Sequence[str] | None
    event_vars: Mapping[str, Any] | None
    notifications: Sequence[Mapping[str, Any]] | None

    def check_notifying(self) -> None:
        """
        Refuse parameters that contradict each other, while the DAG is parsed.

        :raises ParameterError: Naming them.
        """
        if self.topic_name is not None and self.notifications is not None:
            raise ParameterError(
                f"task {self.task_id!r}: topic_name and notifications are both set: name the topic and its events, or "
                f"give the full list"
            )
        if self.topic_name is None and (self.events is not None or self.event_vars is not None):
            raise ParameterError(f"task {self.task_id!r}: events and event_vars need a topic_name to publish to")

    def with_notifications(
        self, name: str, description: Mapping[str, Any], allowed: Sequence[EventName], default: Sequence[EventName]
    ) -> dict[str, Any]:
        """
        Return a description with what it is to publish.

        :param name: The parameter that holds the description.
        :param description: The API's object.
        :param allowed: The events that make sense for it.
        :param default: The events where none are named.
        :raises ParameterError: When the description has notifications of its own besides.
        """
        if self.topic_name is not None:
            events = default if self.events is None else self.events
            notifications = build_notifications(self.topic_name, events, self.event_vars, allowed=allowed)
        elif self.notifications is not None:
            notifications = normalize_notifications(self.notifications, allowed=allowed)
        elif description.get("Notifications"):
            return {"NotificationTarget": NOTIFICATION_TARGET, **description}
        else:
            return dict(description)
        if description.get("Notifications"):
            raise ParameterError(
                f"task {self.task_id!r}: {name} has Notifications of its own: leave them out, or leave out topic_name "
                f"and notifications"
            )
        return {"NotificationTarget": NOTIFICATION_TARGET, **description, "Notifications": notifications}
