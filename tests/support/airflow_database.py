# SPDX-License-Identifier: Apache-2.0
"""Airflow's tables in memory, and rows in them as the scheduler, the triggerer and workers write them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.models.asset import AssetModel
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from airflow.triggers.base import BaseTrigger
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow_batch_events.airflow_compat.ui.rows import WATCHERS, Place

NOW = datetime.now(timezone.utc)
BUNDLE = "dags"
TABLES = {
    *("asset", "asset_trigger", "asset_watcher", "dag", "dag_bundle", "dag_bundle_team", "dag_run", "log_template"),
    *("rendered_task_instance_fields", "task_instance", "team", "trigger", "xcom"),
}


class AirflowDatabase:
    """The tables of this Airflow, empty but for a bundle."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        Base.metadata.create_all(
            self._engine, tables=[table for name, table in Base.metadata.tables.items() if name in TABLES]
        )
        self.insert(DagBundleModel, name=BUNDLE)
        self._runs: dict[tuple[str, str], int] = {}

    @contextmanager
    def session(self) -> Iterator[Session]:
        with Session(self._engine) as session:
            yield session
            session.commit()

    def insert(self, model: Any, **values: Any) -> Any:
        """Write a row and return its primary key; what must be there and is of no interest is 0, or empty."""
        table = getattr(model, "__table__", model)
        for column in table.columns:
            is_given = column.name in values or column.nullable or column.default or column.server_default
            if not is_given and not column.primary_key:
                values[column.name] = "" if python_type(column) is str else python_type(column)(0)
        with self.session() as session:
            result: Any = session.execute(insert(table).values(**values))
            return result.inserted_primary_key

    def close(self) -> None:
        self._engine.dispose()

    def task(self, place: Place, state: str, **values: Any) -> None:
        """Write a task instance, and the DAG and the run that it needs."""
        self.run(place.dag_id, place.run_id)
        number = python_type(TaskInstance.__table__.c.id)(str(uuid.uuid4()))
        self.insert(TaskInstance, **place._asdict(), id=number, state=state, pool="default_pool", **values)

    def run(self, dag_id: str, run_id: str) -> int:
        """Return the number of a run, which is written if it is new."""
        if (dag_id, run_id) not in self._runs:
            if dag_id not in {known for known, _ in self._runs}:
                self.insert(DagModel, dag_id=dag_id, bundle_name=BUNDLE, fileloc="/dags/x.py")
            values = {"run_type": "manual", "state": "running", "run_after": NOW}
            (self._runs[dag_id, run_id],) = self.insert(DagRun, dag_id=dag_id, run_id=run_id, **values)
        return self._runs[dag_id, run_id]

    def deferred(
        self, place: Place, trigger: BaseTrigger, *, age: float = 60, triggerer_id: int | None = 1, try_number: int = 1
    ) -> None:
        """Write a task that is deferred with a trigger, which a triggerer has taken."""
        with self.session() as session:
            stored = Trigger.from_object(trigger)
            stored.created_date = NOW - timedelta(seconds=age)
            stored.triggerer_id = triggerer_id
            session.add(stored)
            session.flush()
            trigger_id = stored.id
        self.task(place, "deferred", trigger_id=trigger_id, try_number=try_number)

    def ended(
        self,
        place: Place,
        outcome: Any,
        *,
        ago: float = 60,
        lasted: float = 600,
        queue: str | None = "q",
        state: str = "success",
    ) -> None:
        """Write a task that has waited for a job on a queue; with no queue, Airflow has kept no rendered fields."""
        end = NOW - timedelta(seconds=ago)
        self.task(place, state, start_date=end - timedelta(seconds=lasted), end_date=end)
        self.xcom(place, "_link_BatchJobLink", f"https://console.example/jobs/{place.task_id}")
        if outcome is not None:
            self.xcom(place, "return_value", outcome, at=end)
        if queue is not None:
            fields = {"queue_name": queue, "tencentcloud_conn_id": "tencentcloud_default", "job": "of the user"}
            self.insert(RenderedTaskInstanceFields, **place._asdict(), rendered_fields=fields)

    def xcom(self, place: Place, key: str, value: Any, *, at: datetime = NOW) -> None:
        """Write an XCom of a task."""
        number = self.run(place.dag_id, place.run_id)
        self.insert(XComModel, **place._asdict(), dag_run_id=number, key=key, value=value, timestamp=at)

    def watcher(self, asset: str, name: str, trigger: BaseTrigger) -> None:
        """Write an asset with a watcher."""
        with self.session() as session:
            stored = Trigger.from_object(trigger)
            session.add(stored)
            session.flush()
            trigger_id = stored.id
        (asset_id,) = self.insert(AssetModel, name=asset, uri=f"tencent-batch://{asset}", group="asset", extra={})
        named = {"name": name} if "name" in WATCHERS.c else {}
        self.insert(WATCHERS, **named, asset_id=asset_id, trigger_id=trigger_id)


def python_type(column: Any) -> Any:
    """Return the type of a column's values, which SQLAlchemy 1.4 does not know where it differs between databases."""
    try:
        return column.type.python_type
    except NotImplementedError:
        return column.type.impl.python_type


def place(task_id: str, dag_id: str = "etl", *, run_id: str = "run 1", map_index: int = -1) -> Place:
    return Place(dag_id, task_id, run_id, map_index)


def outcome(
    job_id: str = "job-1", source: str = "event", *, event_ago: float | None = 62, state: str = "SUCCEED"
) -> dict[str, Any]:
    """Return what a task pushes whose job has ended."""
    time = None if event_ago is None else (NOW - timedelta(seconds=event_ago)).isoformat()
    return {"job_id": job_id, "state": state, "succeeded": state == "SUCCEED", "source": source, "event_time": time}
