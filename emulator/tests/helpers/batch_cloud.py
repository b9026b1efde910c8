# SPDX-License-Identifier: Apache-2.0
"""A Batch service on a clock that stands still until a test moves it, with the messages that it publishes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.base import ApiError, Caller
from tencent_batch_emulator.services.batch.runners.scripted import Script, ScriptedRunner
from tencent_batch_emulator.services.batch.service import BatchService
from tencent_batch_emulator.services.batch.settings import Delays, Quotas

START = 1_700_000_000.0
JOB_EVENTS = ["JOB_RUNNING", "JOB_SUCCEED", "JOB_FAILED", "JOB_FAILED_INTERRUPTED"]
TASK_EVENTS = [name.replace("JOB", "TASK") for name in JOB_EVENTS]
INSTANCE_EVENTS = [name.replace("JOB", "TASK_INSTANCE") for name in JOB_EVENTS]
NODE_EVENTS = [f"COMPUTE_NODE_{name}" for name in ("CREATED", "CREATION_FAILED", "RUNNING", "ABNORMAL", "DELETING")]
CALLER = Caller("test", 1, "ap-guangzhou")


class Cloud:
    """Everything that a test needs of the service."""

    def __init__(
        self,
        *,
        delays: Delays | None = None,
        quotas: Quotas | None = None,
        script: Mapping[str, Script] | None = None,
        max_parallel: int | None = None,
    ) -> None:
        self.clock = Clock(START, running=False)
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.topic_error: Exception | None = None
        self.on_publish: Callable[[], Awaitable[None]] | None = None
        runner = ScriptedRunner(self.clock, script, max_parallel=max_parallel)
        self.service = BatchService(self.clock, self._publish, runner, delays=delays or Delays(), quotas=quotas, seed=1)

    async def _publish(self, topic_name: str, body: str) -> None:
        if self.topic_error is not None:
            raise self.topic_error
        if self.on_publish is not None:
            await self.on_publish()
        self.messages.append((topic_name, json.loads(body)))

    async def call(self, action: str, /, **params: Any) -> dict[str, Any]:
        """Call an action; parameters in the API's own names."""
        return await self.service.actions[action](params, CALLER)

    async def error(self, action: str, /, **params: Any) -> str:
        """Call an action that must be refused; return the error code."""
        with pytest.raises(ApiError) as caught:
            await self.call(action, **params)
        return caught.value.code

    async def submit(self, job: dict[str, Any]) -> str:
        """Submit a job and return its id."""
        answer = await self.call("SubmitJob", Placement={"Zone": "ap-guangzhou-6"}, Job=job)
        return str(answer["JobId"])

    async def state(self, job_id: str) -> str:
        """Return the state of a job."""
        return str((await self.call("DescribeJob", JobId=job_id))["JobState"])

    def page(self, job_id: str) -> dict[str, Any]:
        """Return what the console shows of a job."""
        page = self.service.job_page(job_id)
        assert page is not None
        return page

    async def instance(self, job_id: str, task: str = "main", index: int = 0) -> dict[str, Any]:
        """Return one instance of a task as the API shows it."""
        answer = await self.call("DescribeTask", JobId=job_id, TaskName=task, Offset=index, Limit=1)
        return dict(answer["TaskInstanceSet"][0])

    async def events(self) -> list[dict[str, Any]]:
        """Return everything that has been published, one event after the other."""
        await self.service.flush()
        return [event for _, message in self.messages for event in message["Events"]]

    async def event_names(self) -> list[str]:
        """Return the names of everything that has been published, in order."""
        return [event["EventName"] for event in await self.events()]


def task(command: str = "scripted: outcome=succeed", name: str = "main", **settings: Any) -> dict[str, Any]:
    """Describe a task with a server of its own, unless it has an EnvId."""
    described = {"TaskName": name, "Application": {"DeliveryForm": "LOCAL", "Command": command}, **settings}
    if "EnvId" not in settings:
        described.setdefault("ComputeEnv", {"EnvData": {"InstanceType": "S5.MEDIUM4", "ImageId": "img-eb30mz89"}})
    return described


def job(*tasks: dict[str, Any], events: list[str] | None = None, **settings: Any) -> dict[str, Any]:
    """Describe a job, notified on the topic ``t`` of the events."""
    described = {"JobName": "a-job", "Tasks": list(tasks) or [task()], "NotificationTarget": "TDMQ_CMQ", **settings}
    if events:
        described["Notifications"] = [{"TopicName": "t", "EventConfigs": [{"EventName": name} for name in events]}]
    return described
