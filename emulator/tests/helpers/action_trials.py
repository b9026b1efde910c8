# SPDX-License-Identifier: Apache-2.0
"""
Try an action as it is refused, throttled and meant, for whatever client makes the calls.

The SDK, sync and async, and the command line go through the same table, so none of them can be served better.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from helpers.batch_cloud import CALLER, job, task
from helpers.signed_client import until
from helpers.vendor_actions import ENV, PLACEMENT, SERVER, TRIALS, Params, World

from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays, Quotas
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.queues.attributes import DeadLetterPolicy

THROTTLED = "RequestLimitExceeded"


def settings() -> dict[str, Any]:
    """Return how the emulator is to be set up for the trials."""
    return {
        "runner": "scripted",
        "delays": Delays.none(terminating=0.05),
        "quotas": Quotas(compute_envs=1000),
        "seed": 1,
    }


async def make_world(emulator: Emulator, service: str) -> World:
    """
    Make what the trials of a service find.

    Batch: a job that failed, one that runs with two instances, an environment with a node and an attached server, one
    without nodes, a template. TDMQ: a queue with rewind and a dead-letter queue, a topic with a subscription for
    ``red``, one without.
    """
    now = int(emulator.clock.time())
    if service == "tdmq":
        _make_queues(emulator.broker)
        return World(now)

    async def act(action: str, **params: Any) -> Params:
        return dict(await emulator.batch.actions[action](params, CALLER))

    async def running_nodes() -> list[str]:
        shown = await act("DescribeComputeEnv", EnvId=env)
        return [one["ComputeNodeId"] for one in shown["ComputeNodeSet"] if one["ComputeNodeState"] == "RUNNING"]

    async def until_running(count: int) -> list[str]:
        for _ in range(500):
            if len(nodes := await running_nodes()) == count:
                return nodes
            await asyncio.sleep(0.002)
        raise AssertionError(f"the environment never had {count} nodes")

    def has(job_id: str, state: str) -> bool:
        page = emulator.batch.job_page(job_id)
        return page is not None and page["JobState"] == state

    failing = job(task("scripted: outcome=failed exit_code=3 stderr=oops"))
    failed = (await act("SubmitJob", Placement=PLACEMENT, Job=failing))["JobId"]
    hanging = job(task("scripted: outcome=hang", TaskInstanceNum=2))
    running = (await act("SubmitJob", Placement=PLACEMENT, Job=hanging))["JobId"]
    env = (await act("CreateComputeEnv", Placement=PLACEMENT, ComputeEnv=ENV))["EnvId"]
    unused = {**ENV, "EnvName": "unused", "DesiredComputeNodeCount": 0}
    empty_env = (await act("CreateComputeEnv", Placement=PLACEMENT, ComputeEnv=unused))["EnvId"]
    template = (await act("CreateTaskTemplate", TaskTemplateName="template", TaskTemplateInfo=task()))["TaskTemplateId"]
    (node,) = await until_running(1)
    await act("AttachInstances", EnvId=env, Instances=[{"InstanceId": SERVER}])
    await until_running(2)
    await until(lambda: has(failed, "FAILED") and has(running, "RUNNING"))
    return World(now, failed, running, env, empty_env, node, template)


def _make_queues(broker: Broker) -> None:
    broker.create_queue("dead")
    broker.create_queue("jobs", dead_letter_policy=DeadLetterPolicy("dead", max_receive_count=3), rewind_seconds=600)
    for topic in ("events", "unused"):
        broker.create_topic(topic)
    broker.create_subscription("events", "jobs", protocol="queue", endpoint="jobs", filter_tags=["red"])


class Client(Protocol):
    """What makes the calls: an SDK, or the command line."""

    async def answer(self, action: str, params: Params) -> Params:
        """Return the answer of a call that must succeed."""
        ...

    async def error(self, action: str, /, **params: Any) -> str:
        """Return the code of a call that must be refused."""
        ...


async def try_action(client: Client, emulator: Emulator, service: str, action: str) -> None:
    """Let an action be refused, throttled, and then done: a call without effect must leave the next one possible."""
    world = await make_world(emulator, service)
    trial = TRIALS[service][action]
    if trial.code:
        assert await client.error(action, **trial.refused(world)) == trial.code
    emulator.faults.add(Fault(effect="error", code=THROTTLED, service=service, action=action, next=1))
    assert await client.error(action, **trial.params(world)) == THROTTLED
    answer = await client.answer(action, trial.params(world))
    assert answer["RequestId"]
    assert trial.shows(answer, world), answer
    assert emulator.requests.count(action, service=service, code="OK") == 1
