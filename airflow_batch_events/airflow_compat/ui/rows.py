# SPDX-License-Identifier: Apache-2.0
"""
What Airflow's database holds of waits and watchers. Only Airflow's API server imports this.

The rules that must not be relaxed: a trigger's arguments leave only by their names, because others may hold what is
secret; each query is bounded and goes by an index; rows of a DAG come only for who may read it.

Source: ``models/trigger.py``, ``models/taskinstance.py``, ``models/xcom.py``, ``models/renderedtifields.py``,
``models/asset.py``, none of which has a public contract; decrypting arguments is private. Since: before 3.1. It can go
when the public API tells what a deferred task waits for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from airflow.models import asset as asset_models
from airflow.models.asset import AssetModel
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import State, TaskInstanceState
from sqlalchemy import Text, and_, cast, func, literal, select, tuple_

__all__ = [
    "EndedTask",
    "OpenWait",
    "Place",
    "Watcher",
    "create_session",
    "read_ended",
    "read_open",
    "read_watchers",
    "read_xcoms",
]

LATEST_RUNS = 10_000
"""How many DAG runs, from the latest on, are searched for tasks that have ended."""

MAX_VALUE = 100_000
"""Characters of an XCom that is read at the most."""

_AT_ONCE = 200
"""Task instances that one query asks for."""

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Which task instance."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int


class OpenWait(NamedTuple):
    """
    A deferred task.

    :param place: Which task instance.
    :param try_number: Its try.
    :param trigger: The name of its trigger's class.
    :param arguments: Those of the trigger's arguments that were asked for.
    :param since: When it was deferred.
    :param has_triggerer: Whether a triggerer has taken it.
    """

    place: Place
    try_number: int
    trigger: str
    arguments: Mapping[str, Any]
    since: datetime
    has_triggerer: bool


class EndedTask(NamedTuple):
    """
    A task that has ended.

    :param place: Which task instance.
    :param state: The task's state.
    :param start: When it began.
    :param end: When it ended.
    :param fields: Those of its rendered fields that were asked for; none where Airflow has not kept them.
    """

    place: Place
    state: str
    start: datetime | None
    end: datetime
    fields: Mapping[str, Any]


class Watcher(NamedTuple):
    """
    A watcher of an asset.

    :param asset_id: The asset's number.
    :param asset: Its name.
    :param name: The watcher's name; empty before Airflow 3.2, which keeps none.
    :param trigger: The name of its trigger's class.
    :param arguments: Those of the trigger's arguments that were asked for.
    :param has_triggerer: Whether a triggerer has taken it.
    """

    asset_id: int
    asset: str
    name: str
    trigger: str
    arguments: Mapping[str, Any]
    has_triggerer: bool


_TASK = (TaskInstance.dag_id, TaskInstance.task_id, TaskInstance.run_id, TaskInstance.map_index)
_XCOM = (XComModel.dag_id, XComModel.task_id, XComModel.run_id, XComModel.map_index)
_FIELDS = (
    RenderedTaskInstanceFields.dag_id,
    RenderedTaskInstanceFields.task_id,
    RenderedTaskInstanceFields.run_id,
    RenderedTaskInstanceFields.map_index,
)
# Before 3.2 a watcher is a pair of an asset and a trigger, without a name.
WATCHERS = Base.metadata.tables["asset_watcher" if hasattr(asset_models, "AssetWatcherModel") else "asset_trigger"]
_WATCHER_NAME = WATCHERS.c.name if "name" in WATCHERS.c else literal("")
_TRIGGER = (Trigger.classpath, Trigger.encrypted_kwargs, Trigger.triggerer_id)


def read_open(
    session: Any, dag_ids: Collection[str], module: str, names: Collection[str], *, limit: int
) -> list[OpenWait]:
    """
    Return the deferred tasks whose triggers are in a package, from the oldest on.

    :param dag_ids: The DAGs whose tasks may be shown.
    :param module: The package's path.
    :param names: The arguments that may be shown.
    :param limit: How many at the most.
    """
    statement = (
        select(*_TASK, TaskInstance.try_number, *_TRIGGER, Trigger.created_date)
        .join(TaskInstance, TaskInstance.trigger_id == Trigger.id)
        .where(
            Trigger.classpath.startswith(f"{module}.", autoescape=True),
            TaskInstance.state == TaskInstanceState.DEFERRED,
            TaskInstance.dag_id.in_(dag_ids),
        )
        .order_by(Trigger.created_date, Trigger.id)
        .limit(limit)
    )
    return [
        OpenWait(Place(*row[:4]), row[4], _class_in(row[5]), _arguments(row[6], names), row[8], row[7] is not None)
        for row in session.execute(statement)
    ]


def read_ended(
    session: Any, dag_ids: Collection[str], key: str, fields: Collection[str], *, since: datetime, limit: int
) -> list[EndedTask]:
    """
    Return the tasks that have ended and have an XCom under a key, from the latest on.

    :param dag_ids: The DAGs whose tasks may be shown.
    :param key: The XCom's key.
    :param fields: The rendered fields that may be shown.
    :param since: How far to go back.
    :param limit: How many at the most.
    """
    latest = session.scalar(select(func.max(DagRun.id))) or 0
    statement = (
        select(*_TASK, TaskInstance.state, TaskInstance.start_date, TaskInstance.end_date)
        .join(XComModel, and_(*(ours == theirs for ours, theirs in zip(_TASK, _XCOM, strict=True))))
        .where(
            XComModel.dag_run_id > latest - LATEST_RUNS,
            XComModel.key == key,
            XComModel.dag_id.in_(dag_ids),
            TaskInstance.state.in_([*State.finished, TaskInstanceState.UP_FOR_RETRY]),
            TaskInstance.end_date >= since,
        )
        .order_by(TaskInstance.end_date.desc())
        .limit(limit)
    )
    rows = [(Place(*row[:4]), *row[4:]) for row in session.execute(statement)]
    rendered = _read_fields(session, [row[0] for row in rows], fields)
    return [EndedTask(place, str(state), start, end, rendered.get(place, {})) for place, state, start, end in rows]


def read_xcoms(
    session: Any, places: Sequence[Place], keys: Collection[str]
) -> dict[Place, dict[str, tuple[Any, datetime]]]:
    """Return the XComs of tasks that have such keys and are not too long, by key, each with when it was stored."""
    found: dict[Place, dict[str, tuple[Any, datetime]]] = {}
    for some in _parts(places):
        statement = select(*_XCOM, XComModel.key, XComModel.value, XComModel.timestamp).where(
            tuple_(*_XCOM).in_(some),
            XComModel.key.in_(keys),
            func.length(cast(XComModel.value, Text)) <= MAX_VALUE,
        )
        for row in session.execute(statement):
            found.setdefault(Place(*row[:4]), {})[row[4]] = (_plain(row[5]), row[6])
    return found


def read_watchers(session: Any, module: str, names: Collection[str], *, limit: int) -> list[Watcher]:
    """
    Return the watchers whose triggers are in a package.

    :param module: The package's path.
    :param names: The arguments that may be shown.
    :param limit: How many at the most.
    """
    statement = (
        select(AssetModel.id, AssetModel.name, _WATCHER_NAME, *_TRIGGER)
        .join(WATCHERS, WATCHERS.c.asset_id == AssetModel.id)
        .join(Trigger, WATCHERS.c.trigger_id == Trigger.id)
        .where(Trigger.classpath.startswith(f"{module}.", autoescape=True))
        .order_by(AssetModel.name, WATCHERS.c.trigger_id)
        .limit(limit)
    )
    return [
        Watcher(row[0], row[1], row[2], _class_in(row[3]), _arguments(row[4], names), row[5] is not None)
        for row in session.execute(statement)
    ]


def _read_fields(session: Any, places: Sequence[Place], names: Collection[str]) -> dict[Place, dict[str, Any]]:
    found = {}
    for some in _parts(places):
        # Not the object, which would bring its task instance.
        statement = select(*_FIELDS, RenderedTaskInstanceFields.rendered_fields).where(tuple_(*_FIELDS).in_(some))
        for row in session.execute(statement):
            fields = row[4] if isinstance(row[4], Mapping) else {}
            found[Place(*row[:4])] = {name: fields[name] for name in names if name in fields}
    return found


def _parts(places: Sequence[Place]) -> Iterable[Sequence[Place]]:
    return (places[at : at + _AT_ONCE] for at in range(0, len(places), _AT_ONCE))


def _arguments(encrypted: str, names: Collection[str]) -> dict[str, Any]:
    try:
        arguments = Trigger._decrypt_kwargs(encrypted)
        return {name: arguments[name] for name in names if name in arguments}
    except Exception as error:  # noqa: BLE001 - of a deployment that has lost a key, say; the other rows are shown
        _log.debug("Cannot read the arguments of a trigger: %s", type(error).__name__)
        return {}


def _class_in(path: str) -> str:
    return path.rpartition(".")[2]


def _plain(value: Any) -> Any:
    # A worker's value is stored as it is, one that the server side has written as JSON in a text.
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
