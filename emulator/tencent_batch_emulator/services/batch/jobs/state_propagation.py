# SPDX-License-Identifier: Apache-2.0
"""
Derive the states of tasks and jobs from those of their instances, and announce what changes.

An event is written only when the API already shows what it reports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.batch.environments.nodes import Node
from tencent_batch_emulator.services.batch.jobs import job_views
from tencent_batch_emulator.services.batch.jobs.jobs import Instance, Job, Task
from tencent_batch_emulator.services.batch.jobs.states import ENDED, derive
from tencent_batch_emulator.services.batch.notifications import Publisher
from tencent_batch_emulator.services.batch.vocabulary import EventName, NodeState, State

_EVENT_STATES = frozenset({State.RUNNING, *ENDED})
_NODE_EVENTS = {
    NodeState.CREATED: EventName.COMPUTE_NODE_CREATED,
    NodeState.CREATION_FAILED: EventName.COMPUTE_NODE_CREATION_FAILED,
    NodeState.RUNNING: EventName.COMPUTE_NODE_RUNNING,
    NodeState.ABNORMAL: EventName.COMPUTE_NODE_ABNORMAL,
    NodeState.DELETING: EventName.COMPUTE_NODE_DELETING,
}


class StatePropagation:
    """
    Keep the states of tasks and jobs as those of their instances want them, and announce changes.

    :param advance: Lets a task that waits for others go on if it may; says whether anything has changed.
    """

    def __init__(self, clock: Clock, publisher: Publisher, advance: Callable[[Task], bool]) -> None:
        self._clock = clock
        self._publisher = publisher
        self._advance = advance

    def enter(self, instance: Instance, state: State) -> None:
        """Change an instance's state; what follows from it, :meth:`settle` finds out."""
        instance.enter(state, self._clock.time())
        job = instance.task.job
        if job.subscriptions.wanted and state in _EVENT_STATES:
            event = EventName(f"TASK_INSTANCE_{state.value}")
            self._publisher.announce(event, partial(job_views.instance_event, instance), job.subscriptions, job.history)

    def node_enters(self, job: Job, node: Node, state: NodeState) -> None:
        """Change the state of a server that was made for one execution."""
        node.state = state
        self._publisher.announce(_NODE_EVENTS[state], node.event_fields, job.subscriptions, job.history)

    def settle(self, job: Job, touched: Iterable[Task]) -> None:
        """Let tasks, those that wait for them, and the job follow from instances that have changed."""
        queue = deque(touched)
        while queue:
            task = queue.popleft()
            self._derive_task(task)
            if job.parsed and task.state in ENDED:
                queue.extend(successor for successor in task.successors if self._advance(successor))
        state = job.derived_state()
        if job.terminating and job.is_final:
            job.terminating = False
        if state is job.state:
            return
        job.state = state
        job.ended = self._clock.time() if state in ENDED else None
        if _is_news(job, state):
            event = EventName(f"JOB_{state.value}")
            self._publisher.announce(event, partial(job_views.job_event, job), job.subscriptions, job.history)

    def _derive_task(self, task: Task) -> None:
        state = derive(task.counts)
        if state is task.state:
            return
        task.state = state
        task.ended = self._clock.time() if state in ENDED else None
        if _is_news(task, state):
            job = task.job
            event = EventName(f"TASK_{state.value}")
            self._publisher.announce(event, partial(job_views.task_event, task), job.subscriptions, job.history)


def _is_news(thing: Job | Task, state: State) -> bool:
    """Whether a state is announced: the ends always, RUNNING once and not again after a pause or a retry."""
    if state is not State.RUNNING:
        return state in ENDED
    first = not thing.announced_running
    thing.announced_running = True
    return first
