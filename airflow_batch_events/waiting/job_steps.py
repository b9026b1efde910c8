# SPDX-License-Identifier: Apache-2.0
"""
Another job description for each try of a task: from a list, or from a function of the try and the last failure.

A try is counted by what it submits: a try that finds the job of an earlier one takes the description of that one. The
rule that must not be relaxed: the same number and the same failure give the same description. Otherwise a later try
takes the job of an earlier one for a changed job, and what is sent again under its token is not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.events.values import is_list, items_of, unfold
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.waiting.parameters import description_of

NextJob = Callable[[int, "dict[str, Any] | None"], Mapping[str, Any]]
"""
A function ``next_job(attempt, failure)``: 1 for the first submission, and the facts of the last failure, or None.
"""

MAX_STEPS = 100
"""Descriptions in a list; a task is not tried more often."""


def job_of(name: str, value: object) -> Any:
    """
    Read a job: the API's object, a list of them (one for each try), or their text.

    :raises ParameterError: For anything else; the message names the place and shows no value.
    """
    value = unfold(value)
    if not is_list(value):
        return description_of(name, value)
    items = items_of(value)
    if not 0 < len(items) <= MAX_STEPS:
        raise ParameterError(
            f"{name} is a list of {len(items)}, must have one description for each try, from 1 to {MAX_STEPS}; many "
            f"jobs at once are for BatchSubmitJobsOperator"
        )
    return [description_of(f"{name}[{index}]", item) for index, item in enumerate(items)]


class JobSteps:
    """
    The descriptions of a task's submissions.

    :param job: A list, the last of which counts for all further tries, or a function.
    :param prepare: Makes a description ready to be sent, or refuses it.
    :param attempt: Which try it is, where nothing is remembered between tries.
    """

    def __init__(
        self,
        job: Sequence[Mapping[str, Any]] | NextJob,
        prepare: Callable[[Mapping[str, Any]], dict[str, Any]],
        attempt: int | None = None,
    ) -> None:
        self._job = job
        self._prepare = prepare
        self._attempt = attempt
        self.wants_failure = callable(job)

    def description(self, number: int, failure: Failure | None) -> dict[str, Any]:
        """
        Return the description of a submission.

        :param number: Which of the task's submissions it is; 1 for the first.
        :param failure: How the job of the one before it failed.
        :raises ParameterError: When the function returns something else than a job.
        """
        attempt = self._attempt or number
        if callable(self._job):
            facts = None if failure is None else failure.without_output().to_dict()
            given = self._job(attempt, facts)
            return self._prepare(description_of(f"the job that {_name_of(self._job)} has returned", given))
        return self._prepare(self._job[min(attempt, len(self._job)) - 1])


def _name_of(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
