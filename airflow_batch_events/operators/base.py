# SPDX-License-Identifier: Apache-2.0
"""
The parameters that operators and sensors share: each is taken, read and documented here, once.

The rule that must not be relaxed: a class that takes a parameter is an operator, never a plain mixin. Airflow applies
``default_args``, and learns what ``partial()`` and ``expand()`` take, from the constructors of operator classes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.waiting.parameters import CONNECTION, ParameterMixin, Reader, optional, queue_name_of


class TencentCloudOperator(ParameterMixin, BaseOperator):
    """
    An operator with a connection to Tencent Cloud.

    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: When a parameter holds something else, or was given and is rendered to nothing.
    """

    readers: ClassVar[Mapping[str, Reader]] = CONNECTION
    template_fields: Sequence[str] = tuple(readers)

    def __init__(
        self, *, tencentcloud_conn_id: str = DEFAULT_CONN_ID, region: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    @cached_property
    def hook(self) -> BatchHook:
        """The Batch API with the task's connection."""
        return BatchHook(self.tencentcloud_conn_id, self.region)


class WaitingOperator(TencentCloudOperator):
    """
    An operator that waits for something, with or without a queue to read.

    :param queue_name: The queue that gets the events, which is subscribed to the topic that they are published to. Only
        the triggerer reads it. By default no queue is read, and the task polls the API. (templated)
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says. If not,
        the wait keeps its worker slot and polls the API.
    """

    readers: ClassVar[Mapping[str, Reader]] = {"queue_name": optional(queue_name_of), **CONNECTION}
    template_fields: Sequence[str] = tuple(readers)

    poll_interval: float
    """Seconds between polls of the API; a sensor's is its ``poke_interval``."""

    def __init__(
        self,
        *,
        queue_name: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.queue_name = queue_name
        self.deferrable = self.read_flag("deferrable", deferrable)

    @property
    def time_allowed(self) -> float | None:
        """The seconds that the task may wait; None waits without end."""
        return None if self.execution_timeout is None else self.execution_timeout.total_seconds()


class PollingOperator(WaitingOperator):
    """
    A waiting operator that is no sensor, which has Airflow's ``poke_interval``.

    :param poll_interval: Seconds between polls of the API; a wait for a job that reads a queue polls every
        ``reconcile_interval`` instead. This, as every duration here, is a number, such a number as text, or a
        ``timedelta``.
    """

    def __init__(self, *, poll_interval: float | str | timedelta = 30.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.poll_interval = self.read_interval("poll_interval", poll_interval)
