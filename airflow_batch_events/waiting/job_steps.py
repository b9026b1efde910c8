# SPDX-License-Identifier: Apache-2.0
"""
Another job for each try of a task: from a list, or from a function of the try and the last failure.

Each is the API's ``Job`` object or, for a job in another zone, ``{"Job": ..., "Placement": ...}``, as SubmitJob takes
the two (https://cloud.tencent.com/document/product/599/15907).

A try is counted by what it submits: a try that finds the job of an earlier one takes the description of that one. The
rule that must not be relaxed: the same number and the same failure give the same description. Otherwise a later try
takes the job of an earlier one for a changed job, and what is sent again under its token is not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

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

_PARTS = {"Job", "Placement"}


class Step(NamedTuple):
    """
    What a try submits.

    :param job: The API's ``Job`` object.
    :param placement: The API's ``Placement`` object.
    """

    job: dict[str, Any]
    placement: Mapping[str, Any]


def job_of(name: str, value: object) -> Any:
    """
    Read a job: the API's object, a list of them (one for each try), or their text.

    :raises ParameterError: For anything else; the message names the place and shows no value.
    """
    value = unfold(value)
    if not is_list(value):
        read = step_of(name, value)
        return [read] if "Job" in read else read
    items = items_of(value)
    if not 0 < len(items) <= MAX_STEPS:
        raise ParameterError(
            f"{name} is a list of {len(items)}, must have one description for each try, from 1 to {MAX_STEPS}; many "
            f"jobs at once are for BatchSubmitJobsOperator"
        )
    return [step_of(f"{name}[{index}]", item) for index, item in enumerate(items)]


def step_of(name: str, value: object) -> dict[str, Any]:
    """
    Read the job of a try, with its placement or without.

    :raises ParameterError: For anything else; the message names the place and shows no value.
    """
    read = description_of(name, value)
    if "Job" not in read:
        return read
    if set(read) - _PARTS:
        raise ParameterError(f"{name} has Job and {sorted(set(read) - _PARTS)}, beside a Job there may be a Placement")
    return {part: description_of(f"{name}.{part}", inner) for part, inner in read.items()}


class JobSteps:
    """
    The descriptions of a task's submissions.

    :param job: A list, the last of which counts for all further tries, or a function.
    :param placement: Where those are submitted that do not say so; what one says takes the place of this, by field.
    :param prepare: Makes a job ready to be sent to a placement, or refuses it.
    :param attempt: Which try it is, where nothing is remembered between tries.
    """

    def __init__(
        self,
        job: Sequence[Mapping[str, Any]] | NextJob,
        placement: Mapping[str, Any],
        prepare: Callable[[Any, Mapping[str, Any]], Step],
        attempt: int | None = None,
    ) -> None:
        self._job = job
        self._placement = placement
        self._prepare = prepare
        self._attempt = attempt
        self.wants_failure = callable(job)

    def step(self, number: int, failure: Failure | None) -> Step:
        """
        Return the job of a submission, and where it is submitted.

        :param number: Which of the task's submissions it is; 1 for the first.
        :param failure: How the job of the one before it failed.
        :raises ParameterError: When the function returns something else than a job.
        """
        attempt = self._attempt or number
        if callable(self._job):
            facts = None if failure is None else failure.without_output().to_dict()
            given = step_of(f"the job that {_name_of(self._job)} has returned", self._job(attempt, facts))
        else:
            given = dict(self._job[min(attempt, len(self._job)) - 1])
        if "Job" in given:
            return self._prepare(given["Job"], {**self._placement, **given.get("Placement", {})})
        return self._prepare(given, self._placement)


def _name_of(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
