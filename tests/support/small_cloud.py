# SPDX-License-Identifier: Apache-2.0
"""What the tests of waits have in common: where an emulator is, and jobs that announce their end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_batch_events.demo.cloud import CloudAddress
from airflow_batch_events.emulator.emulator import Emulator
from airflow_batch_events.emulator.testing import RunningEmulator
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.events.notifications import build_notifications

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
