# SPDX-License-Identifier: Apache-2.0
"""
Exit codes that mean something to a task: some skip it, some fail it without another try. Pure.

The rule that must not be relaxed: a task is skipped only where every instance that failed by itself is known to have
said so; one that has another code, or none that could be read, is a failure.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

import msgspec

from airflow_batch_events.events.values import is_list, items_of, kind_of
from airflow_batch_events.exceptions import ParameterError

MAX_EXIT_CODE = 255


class EndAs(Enum):
    """How a task ends whose job failed."""

    ERROR = "with the error of the job, as retries allow"
    SKIPPED = "skipped"
    FAILED = "failed, without another try"


class ExitCodes(msgspec.Struct, frozen=True):
    """
    What exit codes mean.

    :param skip: Those that skip the task.
    :param fail: Those that fail it without another try.
    """

    skip: frozenset[int] = frozenset()
    fail: frozenset[int] = frozenset()

    def end_of(self, exit_codes: Collection[int | None]) -> EndAs:
        """
        Return how a task ends.

        :param exit_codes: Those of all instances that failed by themselves; None stands for one that is not known.
        """
        if any(code in self.fail for code in exit_codes):
            return EndAs.FAILED
        if exit_codes and all(code in self.skip for code in exit_codes):
            return EndAs.SKIPPED
        return EndAs.ERROR


def exit_codes_of(name: str, value: object) -> list[int]:
    """
    Read exit codes that mean something: one, or a list, a set or a range of them; None means none.

    :return: Each once, in order.
    :raises ParameterError: For anything else, for nothing, and for what no failed command can have.
    """
    if value is None:
        return []
    items = items_of(value) if is_list(value) else [value]
    if not items:
        raise ParameterError(f"{name} is empty: name the exit codes, or leave it out")
    for item in items:
        # True is an integer to Python; nobody means exit code 1 by it.
        if type(item) is not int or not 0 < item <= MAX_EXIT_CODE:
            shown = item if type(item) is int else kind_of(item)
            raise ParameterError(
                f"{name} has {shown}, must be an exit code of a failed command, from 1 to {MAX_EXIT_CODE}, or a list "
                f"or range of them"
            )
    return sorted(set(items))


def read_exit_codes(skip: object, fail: object) -> ExitCodes:
    """
    Read ``skip_on_exit_code`` and ``fail_on_exit_code``.

    :raises ParameterError: As :func:`exit_codes_of` does, and for a code that is in both.
    """
    codes = ExitCodes(
        frozenset(exit_codes_of("skip_on_exit_code", skip)), frozenset(exit_codes_of("fail_on_exit_code", fail))
    )
    both = sorted(codes.skip & codes.fail)
    if both:
        raise ParameterError(f"exit code {both[0]} is in skip_on_exit_code and in fail_on_exit_code: leave it in one")
    return codes
