# SPDX-License-Identifier: Apache-2.0
"""Deferred tasks that wait until a test makes a file: what a stack can be tried with that knows no cloud."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.sensors.filesystem import FileSensor
from airflow.sdk import dag, task


@dag(schedule=None, params={"folder": "/nowhere", "files": 1})
def wait_for_files() -> None:
    @task
    def paths(params: dict[str, Any]) -> list[str]:
        return [f"{params['folder']}/{number}" for number in range(params["files"])]

    @task
    def gather() -> str:
        return "all there"

    FileSensor.partial(task_id="wait", deferrable=True, poke_interval=0.2).expand(filepath=paths()) >> gather()


wait_for_files()
