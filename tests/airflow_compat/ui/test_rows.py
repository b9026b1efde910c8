# SPDX-License-Identifier: Apache-2.0
"""What is read of Airflow's own tables, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from airflow.models.trigger import Trigger
from airflow.triggers.testing import SuccessTrigger
from sqlalchemy import update
from support.airflow_database import NOW, AirflowDatabase, outcome, place

from airflow_batch_events.airflow_compat.ui import rows
from airflow_batch_events.airflow_compat.ui.rows import read_ended, read_open, read_watchers, read_xcoms
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger

PACKAGE = "airflow_batch_events"
LINK = "_link_BatchJobLink"
NAMES = ("job_id", "queue_name")


@pytest.fixture
def database() -> Iterator[AirflowDatabase]:
    made = AirflowDatabase()
    yield made
    made.close()


def test_open_waits_come_from_the_oldest_on(database: AirflowDatabase) -> None:
    database.deferred(place("young"), BatchJobTrigger("job-2", "q"), age=5)
    database.deferred(place("old"), BatchJobTrigger("job-1", "q"), age=50, triggerer_id=None, try_number=2)
    with database.session() as session:
        old, young = read_open(session, {"etl"}, PACKAGE, NAMES, limit=10)
        assert read_open(session, {"etl"}, PACKAGE, NAMES, limit=1) == [old]
    assert (old.place, old.try_number, old.trigger) == (place("old"), 2, "BatchJobTrigger")
    assert (old.has_triggerer, young.has_triggerer) == (False, True)
    assert old.since == NOW - timedelta(seconds=50)


def test_arguments_leave_only_by_their_names(database: AirflowDatabase) -> None:
    database.deferred(place("t"), BatchJobTrigger("job-1", "q", region="a secret"))
    with database.session() as session:
        (wait,) = read_open(session, {"etl"}, PACKAGE, NAMES, limit=10)
    assert wait.arguments == {"job_id": "job-1", "queue_name": "q"}


def test_other_triggers_and_other_dags_are_left_out(database: AirflowDatabase) -> None:
    database.deferred(place("other"), SuccessTrigger())
    database.deferred(place("hidden", "secret"), BatchJobTrigger("job-1", "q"))
    with database.session() as session:
        assert read_open(session, {"etl"}, PACKAGE, NAMES, limit=10) == []
        assert read_open(session, set(), PACKAGE, NAMES, limit=10) == []


def test_arguments_that_cannot_be_decrypted_hide_no_row(database: AirflowDatabase) -> None:
    database.deferred(place("a"), BatchJobTrigger("job-1", "q"), age=9)
    database.deferred(place("b"), BatchJobTrigger("job-2", "q"), age=5)
    with database.session() as session:
        session.execute(update(Trigger).where(Trigger.id == 1).values(encrypted_kwargs="of another key"))
    with database.session() as session:
        waits = read_open(session, {"etl"}, PACKAGE, NAMES, limit=10)
    assert [wait.arguments.get("job_id") for wait in waits] == [None, "job-2"]


def test_ended_tasks_come_from_the_latest_on(database: AirflowDatabase) -> None:
    database.ended(place("first"), outcome(), ago=90)
    database.ended(place("last", map_index=3), outcome(), ago=30)
    database.ended(place("long ago"), outcome(), ago=90_000)
    database.ended(place("hidden", "secret"), outcome())
    database.deferred(place("open"), BatchJobTrigger("job-1", "q"))
    since = NOW - timedelta(days=1)
    with database.session() as session:
        found = read_ended(session, {"etl"}, LINK, ("queue_name",), since=since, limit=10)
        assert read_ended(session, {"etl"}, LINK, (), since=since, limit=1)[0].place == found[0].place
    assert [task.place for task in found] == [place("last", map_index=3), place("first")]
    assert found[0].fields == {"queue_name": "q"}
    assert found[0].start is not None
    assert found[0].end - found[0].start == timedelta(seconds=600)


def test_only_the_latest_runs_are_searched(database: AirflowDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        database.ended(place("t", run_id=f"run {number}"), outcome())
    monkeypatch.setattr(rows, "LATEST_RUNS", 2)
    with database.session() as session:
        found = read_ended(session, {"etl"}, LINK, (), since=NOW - timedelta(days=1), limit=10)
    assert {task.place.run_id for task in found} == {"run 1", "run 2"}


def test_xcoms_of_more_tasks_than_one_query_asks_for(
    database: AirflowDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_AT_ONCE", 2)
    places = [place(f"t{number}") for number in range(5)]
    for one in places:
        database.ended(one, outcome(one.task_id))
    with database.session() as session:
        found = read_xcoms(session, places, ["return_value"])
    assert {one.task_id: found[one]["return_value"][0]["job_id"] for one in places} == {
        one.task_id: one.task_id for one in places
    }


def test_an_xcom_may_be_json_in_a_text_and_must_not_be_too_long(database: AirflowDatabase) -> None:
    database.ended(place("text"), '{"job_id": "job-1"}')
    database.ended(place("long"), "x" * (rows.MAX_VALUE + 1))
    with database.session() as session:
        found = read_xcoms(session, [place("text"), place("long")], ["return_value"])
    assert {where: stored["return_value"][0] for where, stored in found.items()} == {place("text"): {"job_id": "job-1"}}


def test_watchers_are_those_of_the_package(database: AirflowDatabase) -> None:
    database.watcher("jobs", "ends", BatchEventTrigger("watched", job_id="job-1"))
    database.watcher("files", "theirs", SuccessTrigger())
    with database.session() as session:
        (watcher,) = read_watchers(session, PACKAGE, ("queue_name",), limit=10)
    name = "ends" if "name" in rows.WATCHERS.c else ""
    assert (watcher.asset, watcher.name, watcher.trigger) == ("jobs", name, "BatchEventTrigger")
    assert watcher.arguments == {"queue_name": "watched"}
    assert not watcher.has_triggerer
