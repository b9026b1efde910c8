# SPDX-License-Identifier: Apache-2.0
"""
Explain a failed job: what failed, why, and what to do about it.

A pure function from what the API says about the failed instances to words that an on-call person can use without the
console. It reads states, exit codes and reasons; it never guesses where they say nothing. What the job and the API have
written is shown as :func:`~airflow_batch_events.text.printable` shows it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from pendulum import DateTime

from airflow_batch_events.events.outcome import NOT_STARTED
from airflow_batch_events.events.outcomes.durations import JobTimes
from airflow_batch_events.events.outcomes.failure import Classified, Failure, classify, signal_name, tail_of
from airflow_batch_events.text import printable, printable_lines

_TAIL_LINES = 20

_MAX_REASON = 1000

_MAX_NAME = 200

_ENDED_BADLY = ("FAILED", "FAILED_INTERRUPTED")


class FailedInstance(msgspec.Struct, frozen=True):
    """
    One task instance that failed, or does not begin to run, as the API describes it.

    :param task_name: Its task.
    :param index: Its 0-based index.
    :param state: ``FAILED`` or ``FAILED_INTERRUPTED``; that of an instance which has not begun to run is another one.
    :param exit_code: The command's exit code; None when it never ran or the API does not say.
    :param reason: StateReason and StateDetailedReason, joined.
    :param stdout: The end of its standard output, at most 2,048 bytes.
    :param stderr: The end of its standard error, at most 2,048 bytes.
    :param began: When its last execution began to run.
    """

    task_name: str
    index: int
    state: str
    exit_code: int | None = None
    reason: str = ""
    stdout: str = ""
    stderr: str = ""
    began: DateTime | None = None

    @property
    def summary(self) -> str:
        """What happened to this instance, in one line."""
        parts = [f"task {self.task_name!r} instance {self.index}"]
        if self.state not in _ENDED_BADLY:
            parts[0] += f" is {self.state}"
        reason = printable(self.reason, _MAX_REASON)
        if self.exit_code:
            parts.append(_describe_exit(self.exit_code))
            # The API's reason often repeats the code in a separate clause.
            reason = re.sub(rf"(^|; )[^;()]*\bexit code {self.exit_code}\b", "", reason).strip("; ")
        if reason:
            parts.append(reason)
        if len(parts) == 1:
            parts.append(f"{self.state}, the API gives no reason")
        return printable(": ".join(parts))

    @property
    def is_a_consequence(self) -> bool:
        """Whether it failed because another task did."""
        return not self.exit_code and "depend" in self.reason.lower()


class Diagnosis(msgspec.Struct, frozen=True):
    """
    Why a job failed.

    :param summary: One printable line: what failed and why.
    :param detail: Printable lines for the task's log: each failed instance with the ends of its output.
    :param resolution: What to do.
    :param failure: The facts.
    :param exit_codes: Those of all instances that failed by themselves; None stands for what has none, or was not read.
    :param times: When the job began and ended, and how many instances it has.
    """

    summary: str
    detail: tuple[str, ...]
    resolution: str
    failure: Failure
    exit_codes: frozenset[int | None] = frozenset()
    times: JobTimes = JobTimes()

    def __str__(self) -> str:
        return f"{self.summary}. {self.resolution}."


def diagnose(
    job_id: str,
    state: str,
    reason: str | None,
    instances: Sequence[FailedInstance],
    failed_count: int | None = None,
    *,
    others: Sequence[FailedInstance] = (),
    trouble: str | None = None,
    times: JobTimes = JobTimes(),  # noqa: B008 - it cannot be changed
) -> Diagnosis:
    """
    Explain how a job failed.

    :param job_id: The job.
    :param state: The state it ended in.
    :param reason: The job's own StateReason.
    :param instances: Some of the instances that failed or, for a job that has not begun to run, that wait.
    :param failed_count: How many of them there are in all, where that is known.
    :param others: Further ones, of which only the exit codes count.
    :param times: What was read of when the job began and ended.
    :param trouble: Why nothing could be read about the job; it tells no cause.
    """
    # What failed by itself comes before what failed because of it.
    instances = sorted(instances, key=lambda instance: instance.is_a_consequence)
    read = [*instances, *others]
    count = max(failed_count or 0, len(read))
    shown = reason if trouble is None else f"{reason or 'no details'} ({trouble})"
    what = f"Batch job {job_id} " + ("has not begun to run" if state == NOT_STARTED else f"ended {state}")
    if instances:
        what += f": {instances[0].summary}"
        tail = _last_line(instances[0].stderr)
        if tail:
            what += f" ({tail})"
        if count > 1:
            what += f"; {count} instances failed" if instances[0].state in _ENDED_BADLY else f"; {count} instances wait"
    elif shown:
        what += f": {printable(shown, _MAX_REASON)}"
    first = instances[0] if instances else None
    if first is None:
        classified = classify(state, None, reason or "")
    else:
        classified = classify(first.state, first.exit_code, first.reason or reason or "", first.stderr)
    return Diagnosis(
        printable(what),
        tuple(_detail(instances, count)),
        _resolve(state, classified),
        _failure(job_id, state, classified, first),
        _exit_codes(read, count),
        times,
    )


def _detail(instances: Sequence[FailedInstance], count: int) -> list[str]:
    lines = []
    for instance in instances:
        lines.append(instance.summary)
        for title, text in (("stdout", instance.stdout), ("stderr", instance.stderr)):
            tail = printable_lines(text)[-_TAIL_LINES:]
            if tail:
                lines.append(f"  end of {title}:")
                lines.extend(f"    {line}" for line in tail)
    if count > len(instances):
        lines.append(f"... and {count - len(instances)} more failed instances")
    return lines


def _resolve(state: str, classified: Classified) -> str:
    if state == "FAILED_INTERRUPTED":
        return (
            "Its instances are kept for inspection and still cost money: look at them, then end the job with "
            "BatchTerminateJobOperator or in the console"
        )
    return classified.advice[0].upper() + classified.advice[1:]


def _exit_codes(instances: Sequence[FailedInstance], count: int) -> frozenset[int | None]:
    codes = {instance.exit_code for instance in instances if not instance.is_a_consequence}
    return frozenset(codes | {None} if count > len(instances) or not codes else codes)


def _failure(job_id: str, state: str, classified: Classified, first: FailedInstance | None) -> Failure:
    job_id, state, cause = printable(job_id, _MAX_NAME), printable(state, _MAX_NAME), classified.cause.value
    if first is None:
        return Failure(job_id, state, cause)
    return Failure(
        job_id,
        state,
        cause,
        task_name=printable(first.task_name, _MAX_NAME),
        instance=first.index,
        exit_code=first.exit_code if abs(first.exit_code or 0) < 2**31 else None,
        stdout=tail_of(first.stdout),
        stderr=tail_of(first.stderr),
    )


def _describe_exit(code: int) -> str:
    name = signal_name(code)
    return f"exit code {code} ({name})" if name else f"exit code {code}"


def _last_line(text: str) -> str:
    lines = printable_lines(text, 200)
    return lines[-1].strip() if lines else ""
