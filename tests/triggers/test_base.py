# SPDX-License-Identifier: Apache-2.0
"""A trigger's constructor raises: whatever another version has stored, a trigger is made, stored again, and runs."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from support.airflow_names import serialize, state_changes

import airflow_batch_events
from airflow_batch_events import exceptions
from airflow_batch_events.triggers.base import StoredTrigger
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.cmq import CmqMessageTrigger
from airflow_batch_events.triggers.compute_env import BatchComputeEnvTrigger, BatchDeleteComputeEnvTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger
from airflow_batch_events.triggers.event_wait import BatchEventWaitTrigger
from airflow_batch_events.waiting.storable import fire

CLASSES: list[Any] = [
    BatchJobTrigger,
    BatchEventTrigger,
    BatchEventWaitTrigger,
    BatchComputeEnvTrigger,
    BatchDeleteComputeEnvTrigger,
    CmqMessageTrigger,
]
EVENT_CLASSES = [BatchEventTrigger, CmqMessageTrigger]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def as_names(cls: Any) -> list[str]:
    return list(inspect.signature(cls).parameters)


def made(cls: Any, kwargs: dict[str, Any]) -> Any:
    """Make a trigger as the triggerer does."""
    trigger = cls(**kwargs)
    trigger.trigger_id = 1
    return trigger


@pytest.mark.parametrize("cls", CLASSES)
@given(data=st.data())
@settings(max_examples=50)
def test_whatever_was_stored_makes_a_trigger(cls: Any, data: st.DataObject) -> None:
    names = st.sampled_from([*as_names(cls), "later", "self", "args"])
    kwargs = data.draw(st.dictionaries(names, JSON))

    trigger = made(cls, kwargs)
    path, again = trigger.serialize()

    known = {name: value for name, value in kwargs.items() if name in as_names(cls)}
    assert json.dumps({name: again[name] for name in known}) == json.dumps(known)
    assert json.dumps(made(cls, again).serialize()) == json.dumps((path, again))
    assert repr(trigger)
    if isinstance(trigger, BaseEventTrigger):
        hash(trigger.shared_stream_key())
        trigger._task_instance = SimpleNamespace()
        hash(trigger.shared_stream_key())
        assert type(trigger).create_shared_stream_producer(kwargs)


@pytest.mark.parametrize("cls", CLASSES)
def test_all_arguments_may_be_missing(cls: Any) -> None:
    assert set(made(cls, {}).serialize()[1]) == set(as_names(cls))


@pytest.mark.parametrize("cls", EVENT_CLASSES)
def test_a_misspelled_parameter_is_named_when_the_dag_is_read(cls: Any) -> None:
    with pytest.raises(TypeError, match="'evnts'"):
        cls("q", evnts=["JOB_FAILED"]).serialize()


ODD = [
    (BatchJobTrigger, {"job_id": None}, "job_id"),
    (BatchJobTrigger, {"job_id": 7}, "job_id"),
    (BatchJobTrigger, {"job_id": ["job-1", None]}, "job_id"),
    (BatchJobTrigger, {"job_id": "job-1", "timeout": "soon"}, "timeout"),
    (BatchJobTrigger, {"job_id": "job-1", "deadline": [1]}, "deadline"),
    (BatchJobTrigger, {"job_id": "job-1", "grace": float("nan")}, "grace"),
    (BatchJobTrigger, {"job_id": "job-1", "reconcile_interval": -1}, "reconcile_interval"),
    (BatchEventWaitTrigger, {"queue_name": "waits"}, "wanted"),
    (BatchEventWaitTrigger, {"queue_name": "waits", "wanted": {"events": ["JOB_LATER"]}}, "JOB_LATER"),
    (BatchEventWaitTrigger, {"queue_name": "waits", "wanted": {"colour": "red"}}, "colour"),
    (BatchEventWaitTrigger, {"queue_name": "waits", "wanted": {"job_id": 7}}, "not understood"),
    (BatchEventWaitTrigger, {"queue_name": "waits", "wanted": {}, "count": "many"}, "count"),
    (BatchEventWaitTrigger, {"queue_name": "waits", "wanted": {}, "count": 0}, "count"),
    (BatchEventWaitTrigger, {"queue_name": None, "wanted": {}}, "queue_name"),
    (BatchComputeEnvTrigger, {"env_id": None, "nodes": 1}, "env_id"),
    (BatchComputeEnvTrigger, {"env_id": "env-00000000", "nodes": None}, "nodes"),
    (BatchComputeEnvTrigger, {"env_id": "env-00000000", "nodes": 1.5}, "nodes"),
    (BatchComputeEnvTrigger, {"env_id": "env-00000000", "nodes": 1, "poll_interval": {}}, "poll_interval"),
    (BatchDeleteComputeEnvTrigger, {"env_id": 7}, "env_id"),
]


@pytest.mark.parametrize(("cls", "kwargs", "word"), ODD, ids=lambda value: str(value)[-60:])
async def test_what_makes_no_sense_ends_that_one_wait_when_it_runs(
    cloud: Any, cls: Any, kwargs: dict[str, Any], word: str
) -> None:
    events = made(cls, kwargs).run()
    payload = (await asyncio.wait_for(events.__anext__(), 20)).payload
    await events.aclose()

    assert payload["status"] == "error"
    assert issubclass(getattr(exceptions, payload["error"]), exceptions.ConfigurationError)
    assert word in payload["message"]


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (BatchJobTrigger, {"job_id": "job-1", "tencentcloud_conn_id": "nowhere"}),
        (BatchJobTrigger, {"job_id": "job-1", "queue_name": {"a": 1}}),
        (BatchJobTrigger, {"job_id": "job-1", "region": 7}),
        (BatchEventWaitTrigger, {"queue_name": "waits", "wanted": {}, "tencentcloud_conn_id": []}),
        (BatchComputeEnvTrigger, {"env_id": "env-00000000", "nodes": 1, "tencentcloud_conn_id": "nowhere"}),
    ],
    ids=str,
)
async def test_what_nobody_has_foreseen_ends_that_one_wait_too(cloud: Any, cls: Any, kwargs: dict[str, Any]) -> None:
    events = made(cls, {**kwargs, "timeout": 3.0}).run()
    payload = (await asyncio.wait_for(events.__anext__(), 20)).payload
    await events.aclose()

    assert payload["status"] == "error"
    assert payload["message"]


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (BatchEventTrigger, {"queue_name": "waits", "events": ["JOB_LATER"]}),
        (BatchEventTrigger, {"queue_name": ["waits"]}),
        (BatchEventTrigger, {"queue_name": "waits", "tencentcloud_conn_id": ["c"]}),
        (CmqMessageTrigger, {"queue_name": "waits", "region": {"a": 1}}),
        (CmqMessageTrigger, {}),
    ],
)
async def test_a_watcher_that_makes_no_sense_fails_alone(cloud: Any, cls: Any, kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not understood|queue_name|must be text"):
        await asyncio.wait_for(made(cls, kwargs).run().__anext__(), 20)


async def test_an_unknown_argument_that_filters_nothing_is_ignored(cloud: Any) -> None:
    wanted = {"job_name": "nobody", "colour": None}
    trigger = made(
        BatchEventWaitTrigger, {"queue_name": "waits", "wanted": wanted, "timeout": 0.2, "hold": "x", "later": {}}
    )
    events = trigger.run()
    assert (await asyncio.wait_for(events.__anext__(), 20)).payload["status"] == "timeout"
    await events.aclose()


def test_one_module_makes_all_that_triggers_fire_storable() -> None:
    package = Path(airflow_batch_events.__file__).parent
    makers = {
        (path.name, ast.unparse(node.func))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("TriggerEvent", "XCom.aset", "XCom.set", "push_from_trigger")
    }
    assert makers == {
        ("storable.py", "TriggerEvent"),
        ("xcom.py", "XCom.aset"),
        ("task_completion.py", "push_from_trigger"),
        # An address, which is quoted.
        ("job_link.py", "push_from_trigger"),
        # Notes, which are Base64.
        ("many_jobs.py", "push_from_trigger"),
    }


def test_what_is_fired_is_sent_as_one_of_airflow_s_events() -> None:
    event = fire({"a": 1})
    assert event == TriggerEvent({"a": 1})
    assert serialize({"event": event.payload}) == serialize({"event": {"a": 1}})
    sent = state_changes(event).model_dump()
    (entry,) = sent["events"]
    assert tuple(entry)[:2] == (1, {"payload": {"a": 1}})


@pytest.mark.parametrize("cls", EVENT_CLASSES)
@pytest.mark.parametrize("queue_name", [None, "", 7, ["q"]], ids=repr)
def test_a_watcher_without_a_queue_is_refused_early(cls: Any, queue_name: Any) -> None:
    with pytest.raises(exceptions.ConfigurationError, match="queue_name"):
        cls(queue_name=queue_name).serialize()


@pytest.mark.parametrize("name", ["__type", "__classname__"])
def test_a_filter_that_airflow_cannot_read_is_refused_early(name: str) -> None:
    """A trigger's constructor raises: kwargs with such keys end the triggerer before this package is asked."""
    with pytest.raises(exceptions.ConfigurationError, match=name):
        BatchEventTrigger("q", event_vars={name: "x"}).serialize()


def test_a_set_is_stored_in_the_same_order_in_every_process() -> None:
    names = ["JOB_FAILED", "JOB_RUNNING", "JOB_SUCCEED", "TASK_FAILED"]
    assert BatchEventTrigger("q", events=set(names)).serialize()[1]["events"] == names


def test_every_trigger_of_the_package_is_stored_in_this_way() -> None:
    for cls in CLASSES:
        assert issubclass(cls, StoredTrigger)
        assert issubclass(cls, BaseTrigger)
