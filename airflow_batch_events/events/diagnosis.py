# SPDX-License-Identifier: Apache-2.0
"""
Explain a failed job: what failed, why, and what to do about it.

A pure function from what the API says about the failed instances to words that an on-call person can use without the
console. It reads states, exit codes and reasons; it never guesses where they say nothing. What the job and the API have
written is shown as :func:`~airflow_batch_events.text.printable` shows it.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

import msgspec

from airflow_batch_events.events.outcome import NOT_STARTED
from airflow_batch_events.text import printable, printable_lines

_TAIL_LINES = 20

_MAX_REASON = 1000

_ENDED_BADLY = ("FAILED", "FAILED_INTERRUPTED")

_NO_CAPACITY = (
    "no server of this kind is left: name several InstanceTypes, take another zone, or wait for capacity with "
    "StateIfCreateCvmFailed RUNNABLE and a start_timeout"
)

# The first clue that is found counts, so what is more special stands first.
_BY_REASON = (
    (
        "depend",
        "a task that this one depends on did not end as TaskExecutionDependOn requires: look at that task first",
    ),
    (
        "terminat",
        "somebody, or the end of a task that waited for it, ended the job: run the task again to submit it anew",
    ),
    ("image", "check ImageId: it must exist in this region and be shared with this account"),
    ("insufficient", _NO_CAPACITY),
    ("soldout", _NO_CAPACITY),
    ("sold out", _NO_CAPACITY),
    (
        "environment deleted",
        "the compute environment does not exist any more: create it, and submit with its new EnvId",
    ),
    ("heartbeat", "the machine was lost: run the task again, or let Batch do so with MaxRetryCount"),
    ("timeout", "raise the task's Timeout, or make the command faster"),
    ("timed out", "raise the task's Timeout, or make the command faster"),
    ("longer than its timeout", "raise the task's Timeout, or make the command faster"),
    (
        "cvm",
        "check instance type, zone, image and quota; or set StateIfCreateCvmFailed to RUNNABLE to wait for capacity",
    ),
)

_BY_SIGNAL = {
    "SIGKILL": "SIGKILL is what ends a command that needs more memory than there is: take a larger InstanceType, or "
    "make the command need less",
}


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
    """

    task_name: str
    index: int
    state: str
    exit_code: int | None = None
    reason: str = ""
    stdout: str = ""
    stderr: str = ""

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
    """

    summary: str
    detail: tuple[str, ...]
    resolution: str

    def __str__(self) -> str:
        return f"{self.summary}. {self.resolution}."


def diagnose(
    job_id: str, state: str, reason: str | None, instances: Sequence[FailedInstance], failed_count: int | None = None
) -> Diagnosis:
    """
    Explain how a job failed.

    :param job_id: The job.
    :param state: The state it ended in.
    :param reason: The job's own StateReason, or why there is none.
    :param instances: Some of the instances that failed or, for a job that has not begun to run, that wait.
    :param failed_count: How many of them there are in all, where that is known.
    """
    # What failed by itself comes before what failed because of it.
    instances = sorted(instances, key=lambda instance: instance.is_a_consequence)
    count = max(failed_count or 0, len(instances))
    what = f"Batch job {job_id} " + ("has not begun to run" if state == NOT_STARTED else f"ended {state}")
    if instances:
        what += f": {instances[0].summary}"
        tail = _last_line(instances[0].stderr)
        if tail:
            what += f" ({tail})"
        if count > 1:
            what += f"; {count} instances failed" if instances[0].state in _ENDED_BADLY else f"; {count} instances wait"
    elif reason:
        what += f": {printable(reason, _MAX_REASON)}"
    return Diagnosis(printable(what), tuple(_detail(instances, count)), _resolve(state, reason, instances))


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


def _resolve(state: str, reason: str | None, instances: Sequence[FailedInstance]) -> str:
    if state == "FAILED_INTERRUPTED":
        return (
            "Its instances are kept for inspection and still cost money: look at them, then end the job with "
            "BatchTerminateJobOperator or in the console"
        )
    if instances and instances[0].exit_code:
        advice = _BY_SIGNAL.get(_signal_name(instances[0].exit_code))
        return advice or "Read the command's output above, fix the command, then run the task again"
    text = (instances[0].reason if instances else reason or "").lower()
    for clue, advice in _BY_REASON:
        if clue in text:
            return advice[0].upper() + advice[1:]
    return "Look at the job in the console, then run the task again"


def _describe_exit(code: int) -> str:
    name = _signal_name(code)
    return f"exit code {code} ({name})" if name else f"exit code {code}"


def _signal_name(code: int) -> str:
    number = code - 128 if code > 128 else -code
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _last_line(text: str) -> str:
    lines = printable_lines(text, 200)
    return lines[-1].strip() if lines else ""
