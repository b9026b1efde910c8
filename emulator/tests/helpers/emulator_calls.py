# SPDX-License-Identifier: Apache-2.0
"""A job that announces its end, and the calls that submit it and wait for it."""

from __future__ import annotations

import json
from typing import Any

from helpers.signed_client import SignedClient, until

from tencent_batch_emulator.emulator import Emulator

PLACEMENT = {"Zone": "ap-guangzhou-6"}


def job(command: str = "true", *events: str, topic: str = "jobs") -> dict[str, Any]:
    configs = [{"EventName": event, "EventVars": []} for event in events]
    return {
        "JobName": "a-job",
        "Tasks": [
            {
                "TaskName": "main",
                "Application": {"DeliveryForm": "LOCAL", "Command": command},
                "ComputeEnv": {
                    "EnvType": "MANAGED",
                    "EnvData": {"InstanceType": "S5.MEDIUM4", "ImageId": "img-12345678"},
                },
            }
        ],
        "NotificationTarget": "TDMQ_CMQ",
        **({"Notifications": [{"TopicName": topic, "EventConfigs": configs}]} if configs else {}),
    }


async def provision(client: SignedClient, topic: str = "jobs", queue: str = "results") -> None:
    """Make the guide's three things: topic, queue, subscription."""
    await client.api("CreateCmqTopic", {"TopicName": topic}, service="tdmq")
    await client.api("CreateCmqQueue", {"QueueName": queue}, service="tdmq")
    await client.api(
        "CreateCmqSubscribe",
        {"TopicName": topic, "SubscriptionName": "all", "Protocol": "queue", "Endpoint": queue},
        service="tdmq",
    )


async def submit(client: SignedClient, *events: str, command: str = "true") -> str:
    answer = await client.api("SubmitJob", {"Placement": PLACEMENT, "Job": job(command, *events)})
    return str(answer["JobId"])


async def ended(emulator: Emulator, job_id: str) -> None:
    """Wait until a job has ended and its events are published or lost."""

    def is_over() -> bool:
        page = emulator.batch.job_page(job_id)
        return page is not None and page["JobState"] in ("SUCCEED", "FAILED")

    await until(is_over)
    await emulator.batch.flush()


async def event_names(client: SignedClient, wait: int = 3) -> list[str]:
    """Receive and delete until the queue stays empty, and return the events' names."""
    names: list[str] = []
    while True:
        answer = await client.cmq("BatchReceiveMessage", queueName="results", numOfMsg=16, pollingWaitSeconds=wait)
        if answer["code"] == 7000:
            return names
        for message in answer["msgInfoList"]:
            names.extend(event["EventName"] for event in json.loads(message["msgBody"])["Events"])
            deleted = await client.cmq("DeleteMessage", queueName="results", receiptHandle=message["receiptHandle"])
            assert deleted["code"] == 0
        wait = 0
