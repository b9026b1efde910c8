# SPDX-License-Identifier: Apache-2.0
"""
The Batch service: every documented action by its name, over one engine.

Nothing here decides anything; it puts the parts together and is what a server, a console page and a test hold on to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, TypeVar

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.base import Caller, Handler, Params
from tencent_batch_emulator.services.batch import templates
from tencent_batch_emulator.services.batch.catalog import CatalogActions, FilteredRequest, NoParameters
from tencent_batch_emulator.services.batch.environments import environment_actions, environment_views
from tencent_batch_emulator.services.batch.environments.environments import Environments
from tencent_batch_emulator.services.batch.ids import Ids
from tencent_batch_emulator.services.batch.jobs import job_actions, job_views
from tencent_batch_emulator.services.batch.jobs.engine import Engine
from tencent_batch_emulator.services.batch.jobs.jobs import Job
from tencent_batch_emulator.services.batch.notifications import Publish, Publisher
from tencent_batch_emulator.services.batch.runners import Runner
from tencent_batch_emulator.services.batch.settings import Delays, Quotas
from tencent_batch_emulator.services.tc3_schema import Tc3Struct, read

Request = TypeVar("Request", bound=Tc3Struct)

_DATA_TYPE = "InvalidParameterValue.InvalidDataTypeAny"


class BatchService:
    """
    The Batch API 2017-03-12.

    :param clock: All times, delays and limits.
    :param publish: Takes a topic's name and a message; may raise, then the message is lost.
    :param runner: Runs task instances; the service closes it.
    :param region: The region of jobs, environments and events.
    :param delays: How long each step takes.
    :param quotas: How much the account may have.
    :param seed: For ids that are the same in every run.
    """

    name = "batch"
    version = "2017-03-12"

    def __init__(
        self,
        clock: Clock,
        publish: Publish,
        runner: Runner,
        *,
        region: str = "ap-guangzhou",
        delays: Delays | None = None,
        quotas: Quotas | None = None,
        seed: int | None = None,
    ) -> None:
        delays, quotas, ids = delays or Delays(), quotas or Quotas(), Ids(seed)
        self._jobs: dict[str, Job] = {}
        self._publisher = Publisher(clock, publish, region)
        self._environments = Environments(clock, self._publisher, ids, delays)
        self._engine = Engine(clock, runner, self._publisher, self._environments, ids, delays)
        self._environments.on_idle = self._engine.pump
        self._environments.on_lost = self._engine.node_lost
        self._environments.on_gone = self._engine.env_gone
        jobs = job_actions.JobActions(clock, self._jobs, self._engine, self._environments, ids, quotas, region)
        envs = environment_actions.EnvironmentActions(self._environments, quotas, region)
        tasks = templates.TemplateActions(clock, ids, quotas)
        catalog = CatalogActions(region)
        self._actions: dict[str, Handler] = {
            "SubmitJob": _action(job_actions.SubmitJob, jobs.submit, _DATA_TYPE),
            "DescribeJob": _action(job_actions.OneJob, jobs.describe),
            "DescribeJobs": _action(job_actions.DescribeJobs, jobs.describe_many),
            "DescribeTask": _action(job_actions.DescribeTask, jobs.describe_task),
            "DescribeTaskLogs": _action(job_actions.DescribeTaskLogs, jobs.describe_task_logs),
            "DescribeJobSubmitInfo": _action(job_actions.OneJob, jobs.describe_submit_info),
            "DescribeJobMonitorData": _action(job_actions.DescribeJobMonitorData, jobs.describe_monitor_data),
            "TerminateJob": _action(job_actions.OneJob, jobs.terminate),
            "TerminateTaskInstance": _action(job_actions.TerminateTaskInstance, jobs.terminate_instance),
            "RetryJobs": _action(job_actions.ManyJobs, jobs.retry),
            "DeleteJob": _action(job_actions.OneJob, jobs.delete),
            "CreateComputeEnv": _action(environment_actions.CreateComputeEnv, envs.create, _DATA_TYPE),
            "DescribeComputeEnv": _action(environment_actions.OneEnv, envs.describe),
            "DescribeComputeEnvs": _action(environment_actions.ManyEnvs, envs.describe_many),
            "DescribeComputeEnvActivities": _action(environment_actions.DescribeActivities, envs.describe_activities),
            "DescribeComputeEnvCreateInfo": _action(environment_actions.OneEnv, envs.describe_create_info),
            "DescribeComputeEnvCreateInfos": _action(environment_actions.ManyEnvs, envs.describe_create_infos),
            "ModifyComputeEnv": _action(environment_actions.ModifyComputeEnv, envs.modify),
            "TerminateComputeNode": _action(environment_actions.TerminateComputeNode, envs.terminate_node),
            "TerminateComputeNodes": _action(environment_actions.TerminateComputeNodes, envs.terminate_nodes),
            "AttachInstances": _action(environment_actions.AttachInstances, envs.attach),
            "DetachInstances": _action(environment_actions.DetachInstances, envs.detach),
            "DeleteComputeEnv": _action(environment_actions.OneEnv, envs.delete),
            "CreateTaskTemplate": _action(templates.CreateTaskTemplate, tasks.create, _DATA_TYPE),
            "ModifyTaskTemplate": _action(templates.ModifyTaskTemplate, tasks.modify, _DATA_TYPE),
            "DescribeTaskTemplates": _action(templates.DescribeTaskTemplates, tasks.describe),
            "DeleteTaskTemplates": _action(templates.DeleteTaskTemplates, tasks.delete),
            "DescribeInstanceCategories": _action(NoParameters, catalog.describe_instance_categories),
            "DescribeAvailableCvmInstanceTypes": _action(
                FilteredRequest, catalog.describe_available_cvm_instance_types
            ),
            "DescribeCvmZoneInstanceConfigInfos": _action(
                FilteredRequest, catalog.describe_cvm_zone_instance_config_infos
            ),
        }

    @property
    def actions(self) -> Mapping[str, Handler]:
        """Every action by its documented name."""
        return self._actions

    def job_rows(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest jobs for a list on a console page."""
        return [job_views.console_row(job) for job in islice(reversed(self._jobs.values()), limit)]

    def job_page(self, job_id: str) -> dict[str, Any] | None:
        """Return all about one job: tasks, instances, output as text, and its events; None when there is none."""
        job = self._jobs.get(job_id)
        return job_views.console_page(job) if job is not None else None

    def env_rows(self) -> list[dict[str, Any]]:
        """Return all compute environments with their nodes and events."""
        return [environment_views.console_row(env) for env in reversed(self._environments.by_id.values())]

    async def flush(self) -> None:
        """Wait until every event written so far has been published or lost."""
        await self._publisher.flush()

    async def close(self) -> None:
        """End all runs and send nothing more; takes at most about two seconds."""
        await self._engine.close()
        await self._publisher.close()


def _action(
    request_type: type[Request],
    method: Callable[[Request], dict[str, Any]],
    type_error: str = "InvalidParameterValue",
) -> Handler:
    async def handle(params: Params, caller: Caller) -> Params:
        return method(read(params, request_type, type_error=type_error))

    return handle
