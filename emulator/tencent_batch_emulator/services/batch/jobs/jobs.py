# SPDX-License-Identifier: Apache-2.0
"""
Jobs, tasks and task instances: what the service remembers about them.

Kept small, because tests run ten thousand of them: slots everywhere, counts per state instead of scans, and a bounded
history of events. An instance changes its state only through :meth:`Instance.enter`, which keeps the counts.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tencent_batch_emulator.services.batch.environments.nodes import Node
from tencent_batch_emulator.services.batch.jobs.states import FINAL, NEXT, Cause, derive
from tencent_batch_emulator.services.batch.notifications import Announcement, Subscriptions
from tencent_batch_emulator.services.batch.runners import NO_LOGS, Logs, Run
from tencent_batch_emulator.services.batch.schema import JobSpec, Placement, TaskSpec
from tencent_batch_emulator.services.batch.vocabulary import State

if TYPE_CHECKING:
    from tencent_batch_emulator.clock import Timer


@dataclass(slots=True)
class Execution:
    """
    One attempt to run an instance, from STARTING until it has ended.

    :param node: The node that it occupies.
    :param run: What the runner gave for it; None until it is RUNNING.
    :param deadline: The timer of the task's Timeout.
    :param stopped_by: Why it was asked to stop; None while it is left alone.
    """

    node: Node
    run: Run | None = None
    deadline: Timer | None = None
    stopped_by: Cause | None = None


class Instance:
    """One instance of a task."""

    __slots__ = (
        "attempts",
        "created",
        "creation_failures",
        "detail",
        "ended",
        "execution",
        "exit_code",
        "failures",
        "index",
        "launched",
        "logs",
        "node_instance_id",
        "reason",
        "running",
        "state",
        "task",
        "terminating",
        "timer",
    )

    def __init__(self, task: Task, index: int, now: float) -> None:
        self.task = task
        self.index = index
        self.state = State.SUBMITTED
        self.attempts = 0
        self.timer: Timer | None = None
        self.execution: Execution | None = None
        self._reset(now)

    def _reset(self, now: float) -> None:
        self.created = now
        self.launched: float | None = None
        self.running: float | None = None
        self.ended: float | None = None
        self.exit_code: int | None = None
        self.reason = ""
        self.detail = ""
        self.failures = 0
        self.creation_failures = 0
        self.node_instance_id = ""
        self.terminating = False
        self.logs: Logs = NO_LOGS

    def enter(self, state: State, now: float) -> None:
        """Change the state; RetryJobs (SUBMITTED) also clears the history."""
        if state not in NEXT[self.state]:
            raise RuntimeError(f"{self!r} cannot become {state}")
        self.task.counts[self.state] -= 1
        self.task.counts[state] += 1
        self.state = state
        if state is State.SUBMITTED:
            self._reset(now)
        elif state is State.STARTING:
            self.launched = now
        elif state is State.RUNNING:
            self.running = now
            self.ended = None
            self.exit_code = None
        elif state in FINAL or state is State.FAILED_INTERRUPTED:
            self.ended = now

    def __repr__(self) -> str:
        return f"<{self.state} instance {self.task.job.job_id}/{self.task.name}/{self.index}>"


class Task:
    """One task of a job."""

    __slots__ = (
        "announced_running",
        "busy",
        "counts",
        "created",
        "ended",
        "held",
        "instances",
        "job",
        "name",
        "predecessors",
        "spec",
        "state",
        "successors",
    )

    def __init__(self, job: Job, spec: TaskSpec, now: float) -> None:
        self.job = job
        self.spec = spec
        self.name = spec.task_name or ""
        self.state = State.SUBMITTED
        self.created = now
        self.ended: float | None = None
        self.counts: Counter[State] = Counter({State.SUBMITTED: spec.task_instance_num})
        self.instances = [Instance(self, index, now) for index in range(spec.task_instance_num)]
        self.predecessors: tuple[Task, ...] = ()
        self.successors: tuple[Task, ...] = ()
        self.busy = 0
        self.held: deque[Instance] | None = None
        self.announced_running = False

    @property
    def is_full(self) -> bool:
        """Whether MaxConcurrentNum instances are busy."""
        return bool(self.spec.max_concurrent_num) and self.busy >= (self.spec.max_concurrent_num or 0)


class Job:
    """
    One job.

    :param number: Counts up with every job; larger is newer.
    """

    __slots__ = (
        "announced_running",
        "created",
        "ended",
        "history",
        "job_id",
        "number",
        "parsed",
        "placement",
        "spec",
        "state",
        "subscriptions",
        "tasks",
        "terminating",
        "timer",
    )

    def __init__(self, job_id: str, number: int, spec: JobSpec, placement: Placement, now: float) -> None:
        self.job_id = job_id
        self.number = number
        self.spec = spec
        self.placement = placement
        self.state = State.SUBMITTED
        self.created = now
        self.ended: float | None = None
        self.parsed = False
        self.terminating = False
        self.announced_running = False
        self.timer: Timer | None = None
        self.subscriptions = Subscriptions.of(spec.notifications, spec.notification_target)
        self.history: deque[Announcement] = deque(maxlen=100)
        self.tasks = {task.name: task for task in (Task(self, one, now) for one in spec.tasks)}
        before: dict[str, dict[str, Task]] = {}
        after: dict[str, dict[str, Task]] = {}
        for dependence in spec.dependences or ():
            start, end = self.tasks[dependence.start_task], self.tasks[dependence.end_task]
            before.setdefault(end.name, {})[start.name] = start
            after.setdefault(start.name, {})[end.name] = end
        for name, predecessors in before.items():
            self.tasks[name].predecessors = tuple(predecessors.values())
        for name, successors in after.items():
            self.tasks[name].successors = tuple(successors.values())

    def instance_counts(self) -> Counter[State]:
        """Return how many instances of all tasks are in which state."""
        total: Counter[State] = Counter()
        for task in self.tasks.values():
            total.update(task.counts)
        return total

    def derived_state(self) -> State:
        """Return the state that follows from the instances."""
        return derive(self.instance_counts())

    @property
    def is_final(self) -> bool:
        """Whether nothing of the job runs or is held: only then can it be deleted."""
        return all(count == 0 or state in FINAL for state, count in self.instance_counts().items())

    @property
    def reason(self) -> str:
        """Why the job failed: the reason of the instance that failed first."""
        if self.state not in (State.FAILED, State.FAILED_INTERRUPTED):
            return ""
        failed = [
            instance
            for task in self.tasks.values()
            for instance in task.instances
            if instance.state in (State.FAILED, State.FAILED_INTERRUPTED)
        ]
        first = min(failed, key=lambda instance: instance.ended or 0.0)
        return f"task {first.task.name} instance {first.index}: {first.detail or first.reason}"
