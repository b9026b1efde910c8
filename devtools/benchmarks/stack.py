# SPDX-License-Identifier: Apache-2.0
"""A real Airflow on PostgreSQL with the benchmarks' DAGs, whose default connection leads to the emulator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from devtools.airflow_stack.postgres import PostgresServer
from devtools.airflow_stack.stack import AirflowStack
from devtools.benchmarks.cloud import Cloud, running_cloud
from devtools.emulator_process import CONN_ID

ROOT = Path(__file__).parents[2]
DAGS = {"benchmarks": Path(__file__).parent / "dags"}


@contextmanager
def running_airflow(**settings: str) -> Iterator[tuple[AirflowStack, Cloud, Path]]:
    """
    Run an Airflow, and a cloud for it; yield both, and a temporary folder.

    :param settings: Further variables of Airflow's components.
    """
    with TemporaryDirectory(prefix="bench-stack-") as folder, running_cloud() as cloud:
        home = Path(folder)
        (home / "airflow").mkdir()
        with PostgresServer(home / "postgres.log") as postgres:
            stack = AirflowStack(
                home / "airflow",
                dags=DAGS,
                database=postgres.create_database("bench"),
                connections={CONN_ID: cloud.address.connection()},
                env={"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))), **settings},
            )
            with stack:
                yield stack, cloud, home
