# SPDX-License-Identifier: Apache-2.0
"""
What the sensors share: how they read Airflow's own durations, how they poll, and how they end without success.

The rule that must not be relaxed: a sensor ends in the same way wherever it waits. What a deferred wait does about
refused keys, ``soft_fail``, ``never_fail`` and a timeout, poking and rescheduling do as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow_batch_events.exceptions import (
    BatchEventsError,
    BatchJobTimeoutError,
    ComputeEnvTimeoutError,
    CredentialsError,
)
from airflow_batch_events.operators.base import TencentCloudOperator
from airflow_batch_events.waiting.parameters import sensor_arguments

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class TencentCloudSensor(TencentCloudOperator, BaseSensorOperator):
    """
    A sensor with a connection to Tencent Cloud.

    Airflow's ``poke_interval``, ``timeout`` and ``max_wait`` may be a number, such a number as text, or a
    ``timedelta``.
    """

    _has_answered = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**sensor_arguments(kwargs))

    def poll_for_poke(self, context: Context, poll: Callable[[], bool]) -> None:
        """
        Poll the API for one poke.

        :param context: The task's context.
        :param poll: Polls, and returns whether the API has answered.
        :raises CredentialsError: When the cloud refuses the keys at first contact. Keys that were good once are being
            exchanged, so later only a warning says so.
        """
        try:
            self._has_answered |= poll()
        except CredentialsError as error:
            # A rescheduled sensor is a new object at each poke.
            was_rescheduled = self.reschedule and context["ti"].get_first_reschedule_date(context) is not None
            if not self._has_answered and not was_rescheduled:
                raise
            self.log.warning("The keys were refused, will poll again: %s", error)

    def end_with(self, error: BatchEventsError) -> NoReturn:
        """Fail the task with an error, or skip it where ``soft_fail`` or ``never_fail`` is set."""
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(f"Skipping, because soft_fail or never_fail is set: {error}") from error
        if isinstance(error, BatchJobTimeoutError | ComputeEnvTimeoutError):
            # The class that Airflow's own sensors end with, which also says that a retry is pointless.
            raise AirflowSensorTimeout(str(error)) from error
        raise error
