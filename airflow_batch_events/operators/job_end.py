# SPDX-License-Identifier: Apache-2.0
"""
End a task whose job failed: with its error, skipped, or without another try, as the job's exit code says.

What submits, senses and retries jobs ends in this way, on a worker and in the triggerer alike.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_batch_events.airflow_compat.exceptions import AirflowSkipException
from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.outcomes.exit_codes import EndAs, ExitCodes, read_exit_codes
from airflow_batch_events.operators.job_wait import JobWaitOperator
from airflow_batch_events.waiting.task_result import Explained, final_error

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class JobEndOperator(JobWaitOperator):
    """
    An operator that fails when its job does.

    :param skip_on_exit_code: Exit codes (one, a list or a range) that skip the task, where every instance of its jobs
        that failed by itself has one of them.
    :param fail_on_exit_code: Exit codes that fail the task without another try, where any such instance has one.
    """

    def __init__(
        self,
        *,
        skip_on_exit_code: int | Container[int] | None = None,
        fail_on_exit_code: int | Container[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        codes = self.read(
            lambda _, given: read_exit_codes(*given), "exit codes", (skip_on_exit_code, fail_on_exit_code)
        )
        self.skip_on_exit_code, self.fail_on_exit_code = sorted(codes.skip), sorted(codes.fail)

    @property
    def exit_codes(self) -> ExitCodes:
        """The exit codes that mean something."""
        return ExitCodes(frozenset(self.skip_on_exit_code), frozenset(self.fail_on_exit_code))

    def task_end(self) -> dict[str, Any]:
        """Return how the task ends, for a trigger that ends it."""
        codes: Mapping[str, list[int]] = {
            "skip_on_exit_code": self.skip_on_exit_code,
            "fail_on_exit_code": self.fail_on_exit_code,
        }
        return {**super().task_end(), **{name: value for name, value in codes.items() if value}}

    def end_badly(
        self, context: Context, outcomes: Sequence[Outcome], failures: Sequence[Outcome], *, is_list: bool = False
    ) -> NoReturn:
        """
        End the task because of jobs that are no success.

        :param context: The task's context.
        :param outcomes: All that the task has waited for.
        :param failures: Those that are no success, at least one.
        :param is_list: Whether the task would return a list of outcomes.
        """
        raise_as_told(self.explain(context, outcomes, failures, codes=self.exit_codes, is_list=is_list))


def raise_as_told(explained: Explained) -> NoReturn:
    """Raise what ends a task as the exit codes of its jobs say."""
    error = explained.error
    if explained.end_as is EndAs.SKIPPED:
        raise AirflowSkipException(f"Skipping, because of skip_on_exit_code: {error}") from error
    if explained.end_as is EndAs.FAILED:
        raise final_error(error)
    raise error
