# SPDX-License-Identifier: Apache-2.0
"""
The states of instances, tasks and jobs: which may follow which, and what follows from what. Tables and pure functions.

Only instances move; a task's and a job's state are always derived from their instances and never set.
FAILED_INTERRUPTED ends a run but is not final: the instance is still held, and terminating it makes it FAILED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum

from tencent_batch_emulator.services.batch.vocabulary import State

ENDED = frozenset({State.SUCCEED, State.FAILED, State.FAILED_INTERRUPTED})
"""Nothing runs any more."""

FINAL = frozenset({State.SUCCEED, State.FAILED})
"""Nothing is held any more; only a job in which every instance is final can be deleted."""

NEXT: Mapping[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.PENDING, State.RUNNABLE, State.FAILED}),
    State.PENDING: frozenset({State.RUNNABLE, State.FAILED}),
    State.RUNNABLE: frozenset({State.STARTING, State.FAILED}),
    State.STARTING: frozenset({State.RUNNING, State.RUNNABLE, State.FAILED}),
    State.RUNNING: frozenset({State.SUCCEED, State.RUNNABLE, State.FAILED, State.FAILED_INTERRUPTED}),
    State.FAILED_INTERRUPTED: frozenset({State.FAILED}),
    State.FAILED: frozenset({State.SUBMITTED}),
    State.SUCCEED: frozenset(),
}
"""What may follow an instance's state. FAILED -> SUBMITTED is RetryJobs."""

PRECEDENCE = (
    State.RUNNING,
    State.STARTING,
    State.RUNNABLE,
    State.PENDING,
    State.SUBMITTED,
    State.FAILED_INTERRUPTED,
    State.FAILED,
    State.SUCCEED,
)
"""A task or a job has the first of these states that one of its instances has."""

COUNTERS = {
    State.SUBMITTED: "SubmittedCount",
    State.PENDING: "PendingCount",
    State.RUNNABLE: "RunnableCount",
    State.STARTING: "StartingCount",
    State.RUNNING: "RunningCount",
    State.SUCCEED: "SucceedCount",
    State.FAILED_INTERRUPTED: "FailedInterruptedCount",
    State.FAILED: "FailedCount",
}

_IS_MET: Mapping[str, Callable[[Mapping[State, int]], bool]] = {
    "PRE_TASK_SUCCEED": lambda counts: derive(counts) is State.SUCCEED,
    "PRE_TASK_AT_LEAST_PARTLY_SUCCEED": lambda counts: counts.get(State.SUCCEED, 0) > 0,
    "PRE_TASK_FINISHED": lambda counts: True,
}
"""Whether a predecessor that has ended lets a task start."""

DEPEND_ON = tuple(_IS_MET)
FAILED_ACTIONS = ("TERMINATE", "INTERRUPT", "FAST_INTERRUPT")

Counts = Mapping[State, int]


class StartDecision(Enum):
    """Whether a task may start after its predecessors."""

    WAIT = "wait"
    START = "start"
    NEVER = "never"


class Cause(Enum):
    """Why an execution ended."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    NODE_LOST = "node lost"
    NOT_CREATED = "not created"
    TERMINATED = "terminated"


def derive(counts: Counts) -> State:
    """Return the state of a task or a job from how many of its instances are in which state."""
    for state in PRECEDENCE:
        if counts.get(state):
            return state
    raise ValueError("a task without instances has no state")


def decide_start(depend_on: str, predecessors: Iterable[Counts]) -> StartDecision:
    """
    Decide whether a task may start.

    :param depend_on: The job's TaskExecutionDependOn.
    :param predecessors: For each predecessor task, how many of its instances are in which state.
    """
    decision = StartDecision.START
    for counts in predecessors:
        if derive(counts) not in ENDED:
            decision = StartDecision.WAIT
        elif not _IS_MET[depend_on](counts):
            return StartDecision.NEVER
    return decision


def after_failure(failed_action: str, cause: Cause, failures: int, max_retry_count: int) -> State:
    """
    Decide what a failed execution makes of its instance.

    :param failures: How many executions have failed, this one included.
    """
    if cause is Cause.TERMINATED:
        return State.FAILED
    if failures <= max_retry_count and failed_action != "FAST_INTERRUPT":
        return State.RUNNABLE
    if failed_action == "TERMINATE" or cause in (Cause.NOT_CREATED, Cause.NODE_LOST):
        return State.FAILED
    return State.FAILED_INTERRUPTED


def metrics(counts: Counts) -> dict[str, int]:
    """Return TaskMetrics or TaskInstanceMetrics."""
    return {counter: counts.get(state, 0) for state, counter in COUNTERS.items()}
