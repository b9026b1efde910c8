# SPDX-License-Identifier: Apache-2.0
"""
Explain a failed job: what failed, why, and what to do about it.

A pure function from what the API says about the failed instances to words that an on-call person can use without the
console. It reads states, exit codes and reasons; it never guesses where they say nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

_TAIL_LINES = 20

_BY_REASON = (
    ("timeout", "raise the task's Timeout, or make the command faster"),
    ("timed out", "raise the task's Timeout, or make the command faster"),
    ("heartbeat", "the instance was lost: retry, or raise MaxRetryCount"),
    (
        "cvm",
        "check instance type, zone, image and quota; or set StateIfCreateCvmFailed to RUNNABLE to wait for capacity",
    ),
    ("image", "check ImageId: it must exist in this region and be shared with this account"),
    ("terminat", "somebody ended the job; run the task again to submit it anew"),
    (
        "depend",
        "a task that this one depends on did not end as TaskExecutionDependOn requires: look at that task first",
    ),
)


@dataclass(frozen=True)
class FailedInstance:
    """
    One failed task instance as the API describes it.

    :param task_name: Its task.
    :param index: Its 0-based index.
    :param state: ``FAILED`` or ``FAILED_INTERRUPTED``.
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
        if self.exit_code:
            parts.append(_describe_exit(self.exit_code))
        if self.reason:
            parts.append(self.reason)
        return ": ".join(parts) if len(parts) > 1 else f"{parts[0]}: {self.state}, the API gives no reason"


@dataclass(frozen=True)
class Diagnosis:
    """
    Why a job failed.

    :param summary: One line: what failed and why.
    :param detail: Lines for the task's log: each failed instance with the ends of its output.
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
    :param instances: Some of its failed instances, the first being the one to name.
    :param failed_count: How many instances failed in all, where that is known.
    """
    count = max(failed_count or 0, len(instances))
    what = f"Batch job {job_id} ended {state}"
    if instances:
        what += f": {instances[0].summary}"
        tail = _last_line(instances[0].stderr)
        if tail:
            what += f" ({tail})"
        if count > 1:
            what += f"; {count} instances failed"
    elif reason:
        what += f": {reason}"
    return Diagnosis(what, tuple(_detail(instances, count)), _resolve(state, reason, instances))


def _detail(instances: Sequence[FailedInstance], count: int) -> list[str]:
    lines = []
    for instance in instances:
        lines.append(instance.summary)
        for title, text in (("stdout", instance.stdout), ("stderr", instance.stderr)):
            tail = text.rstrip().splitlines()[-_TAIL_LINES:]
            if tail:
                lines.append(f"  end of {title}:")
                lines.extend(f"    {line}" for line in tail)
    if count > len(instances):
        lines.append(f"... and {count - len(instances)} more failed instances")
    return lines


def _resolve(state: str, reason: str | None, instances: Sequence[FailedInstance]) -> str:
    if state == "FAILED_INTERRUPTED":
        return "Its instances are kept for inspection and still cost money: look at them, then terminate the job"
    text = " ".join([reason or "", *(instance.reason for instance in instances)]).lower()
    if instances and instances[0].exit_code:
        return "Look at the command's output above, mend it, then run the task again"
    for clue, advice in _BY_REASON:
        if clue in text:
            return advice[0].upper() + advice[1:]
    return "Look at the job in the console, then run the task again"


def _describe_exit(code: int) -> str:
    number = code - 128 if code > 128 else -code
    try:
        return f"exit code {code} ({signal.Signals(number).name})" if number > 0 else f"exit code {code}"
    except ValueError:
        return f"exit code {code}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""
