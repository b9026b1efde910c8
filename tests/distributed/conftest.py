# SPDX-License-Identifier: Apache-2.0
"""
An Airflow on Celery, two of each component that may die, whose cloud is an emulator.

Airflow and Celery give up what is dead after minutes, or after a day. The settings here let them do so within seconds;
``docs/deployment.md`` names each of them with its default. They must not be so short that a busy machine looks dead.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.component_logs import pytest_runtest_makereport as pytest_runtest_makereport
from support.processes import processes_in

from devtools.airflow_stack.postgres import PostgresServer
from devtools.airflow_stack.redis_server import RedisServer
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import on_celery
from devtools.emulator_process import CONN_ID, CloudAddress, EmulatorProcess

SETTINGS = {
    # A scheduler that is silent for so long is dead; how often the other one looks for what it has left.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    # A task on a worker that is silent for so long is dead.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    # A task that was queued, and not begun when its scheduler or worker was killed, is queued again. What a worker is
    # sent can be used for as long, so no message may come a second time: that needs a visibility timeout that is longer
    # than the longest task on a worker, as in production.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "90",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "7200",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
}


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    """A running emulator of its own process: where it is, and its key."""
    with EmulatorProcess(
        tmp_path_factory.mktemp("emulator"), "--jobs-quota", "2000", "--max-parallel", "64"
    ) as address:
        yield address


@pytest.fixture(scope="session")
def stack(emulator: CloudAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """A running Airflow whose default connection leads to ``emulator``; nothing of it is left afterwards."""
    home = tmp_path_factory.mktemp("airflow")
    with PostgresServer(home / "postgres.log") as postgres, RedisServer(home / "redis.log") as broker:
        running = AirflowStack(
            home,
            dags={"tests": Path(__file__).parent / "dags"},
            database=postgres.create_database("airflow"),
            connections={CONN_ID: emulator.connection()},
            env=SETTINGS,
            parallelism=8,
            topology=on_celery(broker),
        )
        with running:
            yield running
    assert processes_in(home) == []
