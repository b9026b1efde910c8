# SPDX-License-Identifier: Apache-2.0
"""What tests do with an emulator: where it is, jobs that announce their end, and waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING, Any, cast

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.events.notifications import build_notifications
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from devtools.emulator_process import CloudAddress
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.testing import RunningEmulator

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger, TriggerEvent

PLACEMENT = {"Zone": "ap-guangzhou-6"}


def address_of(emulator: Emulator | RunningEmulator) -> CloudAddress:
    """Return what the package's clients and Airflow's connection are made from."""
    return CloudAddress(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.region)


def announced_job(
    command: str, topic: str, *, name: str = "waited-for", events: Iterable[str] | None = None, **settings: Any
) -> dict[str, Any]:
    """
    Return a job of one instance.

    :param topic: The topic that it notifies.
    :param events: What it announces; its end by default.
    :param settings: Further parameters of the job builder.
    """
    return {
        **build_job(name, command, **{"image": "img-eb30mz89", "instance_type": "S5.MEDIUM2", **settings}),
        "Notifications": build_notifications(topic, events),
        "NotificationTarget": "TDMQ_CMQ",
    }


async def submit_jobs(client: AsyncSdkClient, job: dict[str, Any], count: int) -> list[str]:
    """Submit a job so many times at once, and return their ids."""
    return list(await asyncio.gather(*(client.send(batch.submit_job(job, PLACEMENT)) for _ in range(count))))


async def first_payload(trigger: BaseTrigger) -> Any:
    """Return what a trigger fires."""
    return (await first_fired(trigger)).payload


async def first_fired(trigger: BaseTrigger, limit: float | None = None) -> TriggerEvent:
    """
    Return the event that a trigger fires, and end it.

    :param trigger: The trigger.
    :param limit: Seconds that it may take.
    """
    events = cast("AsyncGenerator[TriggerEvent, None]", trigger.run())
    try:
        return await asyncio.wait_for(events.__anext__(), limit)
    finally:
        await events.aclose()
