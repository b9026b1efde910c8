# SPDX-License-Identifier: Apache-2.0
"""When many jobs are too many failures, and what becomes of the rest then: read once, for operator and trigger."""

from __future__ import annotations

from typing import Literal

import msgspec

from airflow_batch_events.events.catalog import DELETED_STATES, OnFinishAction
from airflow_batch_events.events.values import kind_of, whole_of
from airflow_batch_events.exceptions import ConfigurationError, ParameterError
from airflow_batch_events.limits import MAX_JOBS_OF_ACCOUNT

OnFailure = Literal["continue", "cancel_rest"]

DEFAULT_ACTIVE = 900
"""Jobs that exist at once by default: an account may have 1,000, and other tasks need some, too."""


class RunRules(msgspec.Struct, frozen=True):
    """
    How many jobs run at once, how many may fail, and what becomes of those that have ended.

    :param max_active: Jobs that exist at once, but for those that have ended and are kept.
    :param max_failures: Jobs that may fail before the task is bound to.
    :param on_failure: What becomes of the other jobs when the task is bound to fail: they are submitted and waited for
        all the same, or nothing more is submitted and those that run are ended.
    :param on_finish_action: Which of the jobs that have ended are deleted.
    """

    max_active: int = DEFAULT_ACTIVE
    max_failures: int = 0
    on_failure: OnFailure = "continue"
    on_finish_action: OnFinishAction = "keep"

    @classmethod
    def read(cls, data: object) -> RunRules:
        """
        Read what a trigger was stored with; what another version has added is ignored.

        :raises ConfigurationError: For anything else.
        """
        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"rules cannot be read: {error}") from error

    @property
    def deleted_states(self) -> frozenset[str]:
        """The states of the jobs that are deleted."""
        return DELETED_STATES[self.on_finish_action]


def max_active_of(name: str, value: object) -> int:
    """
    Read how many jobs may exist at once; an account may have 1,000.

    :raises ParameterError: For anything else than a whole number from 1 to 1,000.
    """
    return whole_of(name, value, least=1, most=MAX_JOBS_OF_ACCOUNT)


def max_failures_of(name: str, value: object) -> int | float:
    """
    Read how many jobs may fail.

    :return: A whole number of jobs, or a share of them between 0 and 1.
    :raises ParameterError: For anything else.
    """
    number = _number(value)
    if number is None or number < 0 or (number >= 1 and number != int(number)):
        raise ParameterError(
            f"{name} is {_shown(value)}, must be a whole number of jobs, or a share of them such as 0.05"
        )
    return number if 0 < number < 1 else int(number)


def failures_allowed(max_failures: int | float, total: int) -> int:
    """Return how many of so many jobs may fail; a share is rounded down."""
    return int(max_failures * total + 1e-9) if isinstance(max_failures, float) else max_failures


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, int | float) else kind_of(value)
