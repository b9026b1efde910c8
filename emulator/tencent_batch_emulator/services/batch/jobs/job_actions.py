# SPDX-License-Identifier: Apache-2.0
"""
The actions on jobs: requests in, answers out.

Sources:

- SubmitJob: https://cloud.tencent.com/document/product/599/15907
- DescribeJob: https://cloud.tencent.com/document/product/599/15904
- DescribeJobs: https://cloud.tencent.com/document/product/599/15909
- DescribeTask: https://cloud.tencent.com/document/product/599/15905
- DescribeTaskLogs: https://cloud.tencent.com/document/product/599/30318
- DescribeJobSubmitInfo: https://cloud.tencent.com/document/product/599/15910
- TerminateTaskInstance: https://cloud.tencent.com/document/product/599/15908
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.batch import monitor, validation
from tencent_batch_emulator.services.batch.environments.environments import Environments
from tencent_batch_emulator.services.batch.ids import Ids, check_id
from tencent_batch_emulator.services.batch.jobs import job_views
from tencent_batch_emulator.services.batch.jobs.engine import Engine
from tencent_batch_emulator.services.batch.jobs.jobs import Instance, Job, Task
from tencent_batch_emulator.services.batch.jobs.states import metrics
from tencent_batch_emulator.services.batch.jobs.tokens import Tokens
from tencent_batch_emulator.services.batch.schema import JobSpec, Placement
from tencent_batch_emulator.services.batch.settings import Quotas
from tencent_batch_emulator.services.batch.vocabulary import State
from tencent_batch_emulator.services.tc3_schema import Filter, Tc3Struct, at_most, matching, not_together, page


class SubmitJob(Tc3Struct):
    placement: Placement
    job: JobSpec
    client_token: str | None = None


class OneJob(Tc3Struct):
    job_id: str


class ManyJobs(Tc3Struct):
    job_ids: list[str]


class DescribeJobs(Tc3Struct):
    job_ids: list[str] | None = None
    filters: list[Filter] | None = None
    offset: int = 0
    limit: int = 20


class DescribeTask(Tc3Struct):
    job_id: str
    task_name: str
    offset: int = 0
    limit: int = 100
    filters: list[Filter] | None = None


class DescribeTaskLogs(Tc3Struct):
    job_id: str
    task_name: str
    task_instance_indexes: list[int] | None = None
    offset: int | None = None
    limit: int = 5


class TerminateTaskInstance(Tc3Struct):
    job_id: str
    task_name: str
    task_instance_index: int


class DescribeJobMonitorData(Tc3Struct):
    job_id: str
    task_name: str
    task_instance_index: int
    metric_name: str
    start_time: str | None = None
    end_time: str | None = None
    dimensions: list[dict[str, str]] | None = None


class JobActions:
    """
    What the API offers for jobs.

    :param jobs: All jobs by id, the oldest first; this object adds and removes them.
    :param region: The zones of jobs lie in it.
    """

    def __init__(
        self,
        clock: Clock,
        jobs: dict[str, Job],
        engine: Engine,
        environments: Environments,
        ids: Ids,
        quotas: Quotas,
        region: str,
    ) -> None:
        self._clock = clock
        self._jobs = jobs
        self._engine = engine
        self._environments = environments
        self._ids = ids
        self._quotas = quotas
        self._region = region
        self._tokens = Tokens()
        self._submitted = 0

    def submit(self, request: SubmitJob) -> dict[str, Any]:
        """Take a job; the same ClientToken gets the same one again."""
        spec = request.job
        validation.check_token(request.client_token)
        validation.check_placement(request.placement, self._region)
        validation.check_job(spec)
        known = self._tokens.get(request.client_token)
        if known is not None:
            return {"JobId": known}
        for env_id in dict.fromkeys(task.env_id for task in spec.tasks if task.env_id):
            self._check_env(env_id)
        if len(self._jobs) >= self._quotas.jobs:
            raise ApiError(
                "LimitExceeded.JobQuota", f"The account has {self._quotas.jobs} jobs; delete some that have ended."
            )
        self._submitted += 1
        job = Job(self._ids.new("Job"), self._submitted, spec, request.placement, self._clock.time())
        self._jobs[job.job_id] = job
        self._tokens.remember(request.client_token, job.job_id)
        self._engine.submit(job)
        return {"JobId": job.job_id}

    def describe(self, request: OneJob) -> dict[str, Any]:
        """Show one job and its tasks."""
        return job_views.job_view(self._find(request.job_id))

    def describe_many(self, request: DescribeJobs) -> dict[str, Any]:
        """List jobs, the newest first; ids that do not exist are not in the list."""
        not_together(request.job_ids, request.filters, "JobIds")
        if request.job_ids:
            at_most(len(request.job_ids), "JobIds")
            check_id("Job", *request.job_ids)
            known = {job_id: self._jobs[job_id] for job_id in request.job_ids if job_id in self._jobs}
            found = sorted(known.values(), key=lambda job: -job.number)
        else:
            self._check_filters(request.filters)
            found = matching(reversed(self._jobs.values()), request.filters, _JOB_FILTERS, _tags_of)
        shown = page(found, request.offset, request.limit, 100)
        return {"TotalCount": len(found), "JobSet": [job_views.job_summary(job) for job in shown]}

    def describe_task(self, request: DescribeTask) -> dict[str, Any]:
        """Show one task and its instances."""
        task = self._find_task(request.job_id, request.task_name, "ResourceNotFound.Task")
        for one in request.filters or []:
            if one.name == "task-instance-state":
                _check_states(one)
        values = {"task-instance-state": lambda one: [one.state.value]}
        found: Sequence[Instance] = matching(task.instances, request.filters, values)
        shown = page(found, request.offset, request.limit, 1000)
        return {
            "JobId": task.job.job_id,
            **job_views.task_view(task),
            "TaskInstanceTotalCount": len(found),
            "TaskInstanceSet": [job_views.instance_view(one) for one in shown],
            "TaskInstanceMetrics": metrics(task.counts),
        }

    def describe_task_logs(self, request: DescribeTaskLogs) -> dict[str, Any]:
        """Show the end of the output of up to ten instances."""
        validation.check_task_name(request.task_name)
        if request.task_instance_indexes is not None and request.offset is not None:
            raise ApiError("InvalidParameterValue", "TaskInstanceIndexes and Offset cannot be given together.")
        self._find(request.job_id)
        task = self._find_task(request.job_id, request.task_name, "ResourceNotFound.Task")
        if request.task_instance_indexes is None:
            found = task.instances
        else:
            found = [_instance(task, index) for index in dict.fromkeys(request.task_instance_indexes)]
        negative = "InvalidParameterValue.Negative"
        shown = page(found, request.offset or 0, request.limit, 10, negative=negative)
        return {"TotalCount": len(found), "TaskInstanceLogSet": [job_views.instance_log(one) for one in shown]}

    def describe_submit_info(self, request: OneJob) -> dict[str, Any]:
        """Show a job as it was submitted."""
        return job_views.submit_info(self._find(request.job_id))

    def describe_monitor_data(self, request: DescribeJobMonitorData) -> dict[str, Any]:
        """Show one metric of one instance over time."""
        job = self._find(request.job_id)
        validation.one_of(request.metric_name, "MetricName", monitor.METRICS)
        task = job.tasks.get(request.task_name)
        if task is None or not 0 <= request.task_instance_index < len(task.instances):
            what = f"{request.task_name}/{request.task_instance_index}"
            raise ApiError("InvalidParameterValue", f"{job.job_id} has no task instance {what}.")
        instance = task.instances[request.task_instance_index]
        return monitor.data_points(
            instance, request.metric_name, request.start_time, request.end_time, self._clock.time()
        )

    def terminate(self, request: OneJob) -> dict[str, Any]:
        """End a job, asynchronously."""
        job = self._find(request.job_id)
        if job.state is State.SUBMITTED:
            raise ApiError("UnsupportedOperation", f"{job.job_id} is SUBMITTED; try again when it has been parsed.")
        if not job.is_final and not job.terminating:
            self._engine.terminate_job(job)
        return {}

    def terminate_instance(self, request: TerminateTaskInstance) -> dict[str, Any]:
        """End one instance, asynchronously."""
        task = self._find_task(request.job_id, request.task_name, "ResourceNotFound.TaskInstance")
        self._engine.terminate_instance(_instance(task, request.task_instance_index))
        return {}

    def retry(self, request: ManyJobs) -> dict[str, Any]:
        """Run the failed instances of FAILED jobs again, of all named jobs or of none."""
        if not request.job_ids:
            raise ApiError("MissingParameter", "JobIds is empty.")
        at_most(len(request.job_ids), "JobIds")
        check_id("Job", *request.job_ids)
        jobs = [self._find(job_id) for job_id in dict.fromkeys(request.job_ids)]
        for job in jobs:
            if job.state is not State.FAILED:
                raise ApiError("UnsupportedOperation", f"{job.job_id} is {job.state}; only FAILED jobs can be retried.")
        for job in jobs:
            self._engine.retry(job)
        return {}

    def delete(self, request: OneJob) -> dict[str, Any]:
        """Forget a job of which nothing runs or is held any more."""
        job = self._find(request.job_id)
        if not job.is_final:
            raise ApiError("ResourceInUse.Job", f"{job.job_id} is {job.state}; terminate it, then delete it.")
        del self._jobs[job.job_id]
        self._engine.drop(job)
        return {}

    def _find(self, job_id: str) -> Job:
        check_id("Job", job_id)
        job = self._jobs.get(job_id)
        if job is None:
            raise ApiError("ResourceNotFound.Job", f"The job {job_id} does not exist.")
        return job

    def _find_task(self, job_id: str, task_name: str, missing: str) -> Task:
        """Return a task; some actions know no code for a job that does not exist."""
        check_id("Job", job_id)
        job = self._jobs.get(job_id)
        task = job.tasks.get(task_name) if job is not None else None
        if task is None:
            raise ApiError(missing, f"There is no task {task_name!r} in a job {job_id}.")
        return task

    def _check_env(self, env_id: str) -> None:
        env = self._environments.by_id.get(env_id)
        if env is None:
            raise ApiError("ResourceNotFound.ComputeEnv", f"The compute environment {env_id} does not exist.")
        if env.deleting:
            raise ApiError("InvalidParameterValue.ComputeEnv", f"The compute environment {env_id} is being deleted.")

    def _check_filters(self, filters: Sequence[Filter] | None) -> None:
        for one in filters or []:
            if one.name == "zone":
                for zone in one.values:
                    validation.check_zone(zone, self._region)
            elif one.name == "job-id":
                check_id("Job", *one.values)
            elif one.name == "job-state":
                _check_states(one)


_JOB_FILTERS = {
    "job-id": lambda job: [job.job_id],
    "job-name": lambda job: [job.spec.job_name],
    "job-state": lambda job: [job.state.value],
    "zone": lambda job: [job.placement.zone],
}


def _tags_of(job: Job) -> Sequence[Any]:
    return job.spec.tags or []


def _check_states(one: Filter) -> None:
    states = {state.value for state in State}
    for value in one.values:
        if value not in states:
            raise ApiError(
                "InvalidParameterValue.InvalidFilter",
                f"{one.name}={value!r} is not one of {', '.join(sorted(states))}.",
            )


def _instance(task: Task, index: int) -> Instance:
    if not 0 <= index < len(task.instances):
        raise ApiError(
            "ResourceNotFound.TaskInstance",
            f"Task {task.name!r} of {task.job.job_id} has instances 0 to {len(task.instances) - 1}, not {index}.",
        )
    return task.instances[index]
