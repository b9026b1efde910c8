# SPDX-License-Identifier: Apache-2.0
"""
Which instance may start next: the runner's slots, the nodes of environments, and MaxConcurrentNum.

The highest priority goes first, and within it the instance that has waited longest. An instance that cannot start
because its environment has no idle node, or its task is full, never keeps another one from starting.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Protocol

from tencent_batch_emulator.services.batch.environments.nodes import Node
from tencent_batch_emulator.services.batch.jobs.jobs import Instance, Task
from tencent_batch_emulator.services.batch.runners import Runner
from tencent_batch_emulator.services.batch.vocabulary import State

ELASTIC = ""
"""The pool of tasks that bring their own ComputeEnv; every other pool is an environment's id."""

Waiting = tuple[int, int, Instance]


class NodePool(Protocol):
    """The nodes of environments."""

    def exists(self, env_id: str) -> bool:
        """Whether there is such an environment."""
        ...

    def has_idle(self, env_id: str) -> bool:
        """Whether a node of the environment could take an instance now."""
        ...

    def take(self, env_id: str) -> Node:
        """Occupy an idle node."""
        ...

    def give_back(self, node: Node, *, restart: bool) -> None:
        """Free a node, after a restart when asked for."""
        ...


class Scheduler:
    """
    RUNNABLE instances in the order in which they may start.

    An instance that has left RUNNABLE meanwhile is dropped when its turn comes.
    """

    def __init__(self, runner: Runner, pool: NodePool) -> None:
        self._runner = runner
        self._pool = pool
        self._waiting: dict[str, list[Waiting]] = {}
        self._order = itertools.count()
        self._busy = 0

    def wait(self, instance: Instance) -> None:
        """Queue for a slot."""
        waiting = self._waiting.setdefault(instance.task.spec.env_id or ELASTIC, [])
        heapq.heappush(waiting, (-instance.task.job.spec.priority, next(self._order), instance))

    def next(self) -> Instance | None:
        """Take the instance that may start now out of the queue."""
        while self._runner.max_parallel is None or self._busy < self._runner.max_parallel:
            best = self._best()
            if best is None:
                return None
            instance = heapq.heappop(best)[2]
            if not instance.task.is_full:
                return instance
            if instance.task.held is None:
                instance.task.held = deque()
            instance.task.held.append(instance)
        return None

    def occupy(self, task: Task) -> None:
        """Note that one more instance of a task is STARTING or RUNNING."""
        self._busy += 1
        task.busy += 1

    def free(self, task: Task) -> None:
        """Note that one has ended."""
        self._busy -= 1
        task.busy -= 1

    def next_held(self, task: Task) -> Instance | None:
        """Return the next instance that MaxConcurrentNum has kept back."""
        while task.held:
            instance = task.held.popleft()
            if instance.state is State.RUNNABLE:
                return instance
        return None

    def forget(self, env_id: str) -> list[Instance]:
        """Return what waits for nodes of an environment, and do not keep it any longer."""
        return [one for _, _, one in self._waiting.pop(env_id, []) if one.state is State.RUNNABLE]

    def _best(self) -> list[Waiting] | None:
        best: list[Waiting] | None = None
        for env_id, waiting in self._waiting.items():
            while waiting and waiting[0][2].state is not State.RUNNABLE:
                heapq.heappop(waiting)
            if not waiting or (env_id != ELASTIC and not self._pool.has_idle(env_id)):
                continue
            if best is None or waiting[0] < best[0]:
                best = waiting
        return best
