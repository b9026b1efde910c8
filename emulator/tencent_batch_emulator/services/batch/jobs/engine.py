# SPDX-License-Identifier: Apache-2.0
"""
The life of jobs: every step of every instance, on the emulator's clock.

Each entry point (a timer, a runner's report, a request) moves instances, then lets tasks and the job follow from them,
then hands free slots to the instances that have waited longest with the highest priority. All of it happens between two
awaits, so nobody ever sees half a step.
"""

from __future__ import annotations

from functools import partial

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.batch.catalog import size_of
from tencent_batch_emulator.services.batch.environments.nodes import Node
from tencent_batch_emulator.services.batch.ids import Ids
from tencent_batch_emulator.services.batch.jobs.jobs import Execution, Instance, Job, Task
from tencent_batch_emulator.services.batch.jobs.scheduler import NodePool, Scheduler
from tencent_batch_emulator.services.batch.jobs.state_propagation import StatePropagation
from tencent_batch_emulator.services.batch.jobs.states import Cause, StartDecision, after_failure, decide_start
from tencent_batch_emulator.services.batch.notifications import Publisher
from tencent_batch_emulator.services.batch.runners import Ended, Runner, Work
from tencent_batch_emulator.services.batch.settings import NODE_LOST, Delays, chosen_type, creation_error
from tencent_batch_emulator.services.batch.vocabulary import NodeState, State


class Engine:
    """
    Move jobs along.

    :param runner: Runs instances; its ``max_parallel`` bounds how many are STARTING or RUNNING.
    :param pool: The nodes of environments.
    """

    def __init__(
        self, clock: Clock, runner: Runner, publisher: Publisher, pool: NodePool, ids: Ids, delays: Delays
    ) -> None:
        self._clock = clock
        self._runner = runner
        self._pool = pool
        self._ids = ids
        self._delays = delays
        self._places = Scheduler(runner, pool)
        self._propagation = StatePropagation(clock, publisher, self._advance)
        self._on_node: dict[str, Instance] = {}
        self._closed = False

    def submit(self, job: Job) -> None:
        """Begin, or begin again after :meth:`retry`."""
        if job.timer is not None:
            job.timer.cancel()
        job.timer = self._clock.call_later(self._delays.submitted, partial(self._parse, job))

    def retry(self, job: Job) -> None:
        """Run the failed instances of a FAILED job once more, as if for the first time."""
        now = self._clock.time()
        for task in job.tasks.values():
            failed = [instance for instance in task.instances if instance.state is State.FAILED]
            for instance in failed:
                instance.enter(State.SUBMITTED, now)
            if failed:
                task.announced_running = False
        job.announced_running = False
        job.parsed = False
        self._propagation.settle(job, job.tasks.values())
        self.submit(job)

    def terminate_job(self, job: Job) -> None:
        """End every instance of a job, after a while."""
        job.terminating = True
        self._clock.call_later(self._delays.terminating, partial(self._terminate_all, job))

    def terminate_instance(self, instance: Instance) -> None:
        """End one instance, after a while."""
        instance.terminating = True
        self._clock.call_later(self._delays.terminating, partial(self._terminate_one, instance))

    def pump(self) -> None:
        """Give free slots and nodes to waiting instances."""
        while not self._closed and (instance := self._places.next()) is not None:
            self._begin(instance)

    def node_lost(self, node: Node) -> None:
        """End what runs on a node that is abnormal or being destroyed; that counts as a failed execution."""
        instance = self._on_node.get(node.node_id)
        if instance is None:
            return
        if instance.state is State.STARTING:
            self._cancel_timer(instance)
            self._fail(instance, Cause.NODE_LOST, None, f"compute node {node.node_id} was lost")
        elif instance.state is State.RUNNING and instance.execution is not None:
            self._stop(instance, instance.execution, Cause.NODE_LOST)

    def env_gone(self, env_id: str) -> None:
        """Fail what waits for nodes of an environment that does not exist any more."""
        for instance in self._places.forget(env_id):
            self._wait(instance)

    def drop(self, job: Job) -> None:
        """Forget a job that is final."""
        self._runner.forget(job.job_id)

    async def close(self) -> None:
        """End all runs."""
        self._closed = True
        await self._runner.close()

    # From SUBMITTED to RUNNABLE

    def _parse(self, job: Job) -> None:
        job.parsed = True
        for task in job.tasks.values():
            self._advance(task)
        self._propagation.settle(job, job.tasks.values())

    def _advance(self, task: Task) -> bool:
        """Let a task that waits for others go on if it may; say whether anything has changed."""
        if not (task.counts[State.SUBMITTED] or task.counts[State.PENDING]):
            return False
        depend_on = task.job.spec.task_execution_depend_on
        decision = decide_start(depend_on, (predecessor.counts for predecessor in task.predecessors))
        changed = False
        for instance in task.instances:
            if instance.state is State.SUBMITTED or instance.state is State.PENDING:
                changed |= self._apply(decision, instance)
        return changed

    def _apply(self, decision: StartDecision, instance: Instance) -> bool:
        if decision is StartDecision.START:
            self._make_runnable(instance, self._delays.runnable)
        elif decision is StartDecision.NEVER:
            task = instance.task
            names = ", ".join(f"{one.name} ({one.state})" for one in task.predecessors)
            detail = f"{task.job.spec.task_execution_depend_on} cannot be met any more by {names}"
            self._end(instance, State.FAILED, "dependence not met", detail)
        elif instance.state is State.SUBMITTED:
            instance.enter(State.PENDING, self._clock.time())
        else:
            return False
        return True

    def _make_runnable(self, instance: Instance, pause: float) -> None:
        instance.enter(State.RUNNABLE, self._clock.time())
        instance.timer = self._clock.call_later(pause, partial(self._offer, instance))

    def _offer(self, instance: Instance) -> None:
        self._wait(instance)
        self.pump()

    def _wait(self, instance: Instance) -> bool:
        """Queue for a slot; False when there will never be one."""
        env_id = instance.task.spec.env_id
        if env_id is not None and not self._pool.exists(env_id):
            self._end(instance, State.FAILED, "compute environment deleted", f"{env_id} was deleted")
            self._propagation.settle(instance.task.job, [instance.task])
            return False
        self._places.wait(instance)
        return True

    # From STARTING to RUNNING

    def _begin(self, instance: Instance) -> None:
        task = instance.task
        env_id = task.spec.env_id
        if env_id is None:
            data = task.spec.compute_env.env_data if task.spec.compute_env else None
            node = Node(self._ids.new("ComputeNode"), chosen_type(data), state=NodeState.CREATING, busy=True)
        else:
            node = self._pool.take(env_id)
            self._on_node[node.node_id] = instance
        instance.execution = Execution(node)
        instance.node_instance_id = node.instance_id
        self._places.occupy(task)
        instance.enter(State.STARTING, self._clock.time())
        instance.timer = self._clock.call_later(self._delays.starting, partial(self._start, instance))
        self._propagation.settle(task.job, [task])

    def _start(self, instance: Instance) -> None:
        execution = instance.execution
        if self._closed or execution is None:
            return
        task, node = instance.task, execution.node
        if not node.env_id and not self._create_server(task, node):
            self._creation_failed(instance, node.reason)
            return
        instance.attempts += 1
        instance.node_instance_id = node.instance_id
        execution.run = self._runner.start(_work(instance), partial(self._ended, instance, execution))
        instance.logs = execution.run.logs
        execution.deadline = self._clock.call_later(
            task.spec.timeout, partial(self._stop, instance, execution, Cause.TIMEOUT)
        )
        if not node.env_id and node.instance_type == NODE_LOST:
            self._clock.call_later(self._delays.node_lost, partial(self._lose_server, instance, execution))
        self._propagation.enter(instance, State.RUNNING)
        self._propagation.settle(task.job, [task])

    def _create_server(self, task: Task, node: Node) -> bool:
        error = creation_error(task.spec.compute_env.env_data if task.spec.compute_env else None)
        if error is not None:
            node.reason = error
            self._propagation.node_enters(task.job, node, NodeState.CREATION_FAILED)
            return False
        node.instance_id = self._ids.new("Instance")
        node.created = self._clock.time()
        self._propagation.node_enters(task.job, node, NodeState.CREATED)
        self._propagation.node_enters(task.job, node, NodeState.RUNNING)
        return True

    def _creation_failed(self, instance: Instance, why: str) -> None:
        task = instance.task
        instance.creation_failures += 1
        number = instance.creation_failures
        again = number <= task.spec.resource_max_retry_count or task.job.spec.state_if_create_cvm_failed == "RUNNABLE"
        if instance.terminating or task.job.terminating or not again:
            self._fail(instance, Cause.NOT_CREATED, None, why)
            return
        pause = self._delays.resource_retry(number)
        self._free_place(instance)
        instance.execution = None
        instance.reason = _REASONS[Cause.NOT_CREATED]
        instance.detail = f"{why}; trying again {pause:g} seconds after failure {number}"
        self._make_runnable(instance, pause)
        self._propagation.settle(task.job, [task])
        self.pump()

    # From RUNNING to the end

    def _stop(self, instance: Instance, execution: Execution, cause: Cause) -> None:
        if instance.execution is not execution or execution.run is None:
            return
        if execution.stopped_by is None or cause is Cause.TERMINATED:
            execution.stopped_by = cause
        execution.run.stop()

    def _lose_server(self, instance: Instance, execution: Execution) -> None:
        if instance.execution is execution and instance.state is State.RUNNING:
            self._propagation.node_enters(instance.task.job, execution.node, NodeState.ABNORMAL)
            self._stop(instance, execution, Cause.NODE_LOST)

    def _ended(self, instance: Instance, execution: Execution, ended: Ended) -> None:
        if self._closed or instance.execution is not execution:
            return
        cause = execution.stopped_by or Cause.EXITED
        if cause is Cause.EXITED and ended.succeeded:
            self._free_place(instance)
            instance.exit_code = 0
            self._end(instance, State.SUCCEED, "successful", "successful")
            self._free_node(instance)
            self._propagation.settle(instance.task.job, [instance.task])
            self.pump()
        elif cause is Cause.EXITED:
            self._fail(instance, cause, ended.exit_code, ended.detail, ended.reason)
        elif cause is Cause.TIMEOUT:
            seconds = instance.task.spec.timeout
            self._fail(instance, cause, None, f"the command ran longer than its Timeout of {seconds} seconds")
        elif cause is Cause.NODE_LOST:
            self._fail(instance, cause, None, f"compute node {execution.node.node_id} was lost")
        else:
            self._fail(instance, cause, None, "the instance was terminated on request")

    def _fail(
        self, instance: Instance, cause: Cause, exit_code: int | None, detail: str, reason: str | None = None
    ) -> None:
        """Make of a failed execution what the task's settings say."""
        task = instance.task
        if instance.terminating or task.job.terminating:
            cause, exit_code, reason = Cause.TERMINATED, None, None
        reason = _REASONS[cause] if reason is None else reason
        instance.failures += 1
        spec = task.spec
        state = after_failure(spec.failed_action, cause, instance.failures, spec.max_retry_count)
        self._free_place(instance)
        instance.exit_code = exit_code
        if spec.max_retry_count:
            detail = f"{detail} (execution {instance.failures} of at most {spec.max_retry_count + 1})"
        if state is State.RUNNABLE:
            instance.reason, instance.detail = reason, detail
            self._free_node(instance)
            self._make_runnable(instance, self._delays.runnable)
        else:
            self._end(instance, state, reason, detail)
            if state is not State.FAILED_INTERRUPTED:
                self._free_node(instance)
        self._propagation.settle(task.job, [task])
        self.pump()

    def _terminate_all(self, job: Job) -> None:
        if not job.terminating:
            return
        for task in job.tasks.values():
            for instance in task.instances:
                self._terminate(instance)
        self._propagation.settle(job, job.tasks.values())
        self.pump()

    def _terminate_one(self, instance: Instance) -> None:
        if instance.terminating:
            self._terminate(instance)
            self._propagation.settle(instance.task.job, [instance.task])
            self.pump()

    def _terminate(self, instance: Instance) -> None:
        if instance.state is State.SUCCEED or instance.state is State.FAILED:
            return
        if instance.state is State.RUNNING and instance.execution is not None:
            self._stop(instance, instance.execution, Cause.TERMINATED)
            return
        self._cancel_timer(instance)
        if instance.state is State.STARTING:
            self._free_place(instance)
        was = instance.state
        self._end(instance, State.FAILED, _REASONS[Cause.TERMINATED], f"the instance was terminated while {was}")
        self._free_node(instance)

    def _end(self, instance: Instance, state: State, reason: str, detail: str) -> None:
        instance.reason, instance.detail = reason, detail
        self._propagation.enter(instance, state)

    def _free_place(self, instance: Instance) -> None:
        """Give up the runner's slot, and the task's under MaxConcurrentNum."""
        execution, task = instance.execution, instance.task
        if execution is not None and execution.deadline is not None:
            execution.deadline.cancel()
        self._places.free(task)
        while (held := self._places.next_held(task)) is not None:
            if self._wait(held):
                return

    def _free_node(self, instance: Instance) -> None:
        """Destroy the server that was made for this execution, or hand the node back to its environment."""
        execution, instance.execution = instance.execution, None
        if execution is None:
            return
        node = execution.node
        if node.env_id:
            self._on_node.pop(node.node_id, None)
            restart = instance.task.spec.restart_compute_node or instance.reason == _REASONS[Cause.TERMINATED]
            self._pool.give_back(node, restart=restart)
        elif node.instance_id:
            self._propagation.node_enters(instance.task.job, node, NodeState.DELETING)

    def _cancel_timer(self, instance: Instance) -> None:
        if instance.timer is not None:
            instance.timer.cancel()
            instance.timer = None


_REASONS = {
    Cause.EXITED: "command failed",
    Cause.TIMEOUT: "timeout",
    Cause.NODE_LOST: "heartbeat lost",
    Cause.NOT_CREATED: "CVM creation failed",
    Cause.TERMINATED: "terminated by user",
}


def _work(instance: Instance) -> Work:
    task, job = instance.task, instance.task.job
    application = task.spec.application
    commands = [line.command for line in application.commands or ()]
    environment = {variable.name: variable.value for variable in task.spec.env_vars or ()}
    environment["BATCH_JOB_ID"] = job.job_id
    environment["BATCH_TASK_NAME"] = task.name
    environment["BATCH_TASK_INSTANCE_NUM"] = str(task.spec.task_instance_num)
    environment["BATCH_TASK_INSTANCE_INDEX"] = str(instance.index)
    command = application.command if application.command is not None else "\n".join(["set -e", *commands])
    node = instance.execution.node if instance.execution else None
    data = task.spec.compute_env.env_data if task.spec.compute_env else None
    return Work(
        job.job_id,
        job.spec.job_name,
        task.name,
        instance.index,
        command,
        environment,
        instance.attempts,
        memory=size_of(node.instance_type)[1] if node else 0,
        is_spot=data is not None and data.instance_charge_type == "SPOTPAID",
    )
