# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import inspect
import json
from datetime import datetime, timezone

import pendulum
import pytest
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.sdk import DAG, Asset, AssetWatcher
from support.airflow_names import DagSerialization

from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.triggers.cmq import CmqMessageTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger, event_id

TRIGGERS = [
    BatchEventTrigger("q", ["JOB_FAILED"], ["job-1"], "n*", "env-1", "t*", {"a": "b"}, "r", "c", "ap-tokyo"),
    CmqMessageTrigger("q", "c", "ap-tokyo"),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: type(trigger).__name__)
def test_a_trigger_is_made_again_from_what_it_serializes(trigger):
    path, kwargs = trigger.serialize()
    assert type(trigger)(**kwargs).serialize() == (path, kwargs)
    assert set(kwargs) == set(inspect.signature(type(trigger)).parameters)
    json.dumps(kwargs)


def test_triggers_on_one_queue_share_a_stream():
    one, other = BatchEventTrigger("q", ["JOB_FAILED"]), BatchEventTrigger("q", job_name="nightly-*")
    assert one.shared_stream_key() == other.shared_stream_key()
    assert one.shared_stream_key() != BatchEventTrigger("q2").shared_stream_key()
    assert one.shared_stream_key() != CmqMessageTrigger("q").shared_stream_key()


@pytest.mark.parametrize("given", [{"event_vars": {}}, {"event_vars": ""}, {"job_id": []}, {"job_id": ""}], ids=str)
def test_an_empty_filter_is_refused_when_the_dag_is_parsed(given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} is empty"):
        BatchEventTrigger("q", **given).serialize()


def test_an_unknown_event_is_refused_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="unknown event 'JOB_DONE'; allowed here"):
        BatchEventTrigger("q", ["JOB_DONE"]).serialize()


def test_a_dag_with_a_watcher_for_no_event_is_not_serialized():
    watched = Asset("x", watchers=[AssetWatcher("w", BatchEventTrigger("q", ["JOB_DONE"]))])
    with (
        DAG("d", schedule=[watched], start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag,
        pytest.raises(Exception, match="unknown event 'JOB_DONE'"),
    ):
        DagSerialization.to_dict(dag)


def test_the_triggerer_serializes_only_numbered_triggers():
    """The order of calls that a trigger of another version relies on, in Airflow's own source."""
    source = inspect.getsource(TriggerRunner.create_triggers)
    made, numbered = source.rindex("trigger_class(**"), source.index("trigger_instance.trigger_id = ")
    assert made < numbered
    assert "serialize" not in source[made:numbered]
    trigger = BatchEventTrigger("q", ["JOB_DONE"], later=1)
    trigger.trigger_id = 1
    assert trigger.serialize()[1]["events"] == ["JOB_DONE"]


@pytest.fixture
def queue(cloud):
    with SdkClient(CloudAccess.at_endpoint(cloud.endpoint, cloud.secret_id, cloud.secret_key)) as client:
        client.send(tdmq.create_queue("watched"))
        client.send(tdmq.create_subscription("events", "watched", "watched"))
        yield "watched"
        client.send(tdmq.delete_queue("watched"))


async def first(trigger):
    events = trigger.run()
    try:
        return (await asyncio.wait_for(events.__anext__(), 20)).payload
    finally:
        await events.aclose()


def publish(cloud, name, job_id):
    event = {"EventName": name, "EventTime": "2026-01-01T00:00:00Z", "Batch": {"JobId": job_id}}
    cloud.call(lambda emulator: emulator.broker.publish("events", json.dumps({"Events": [event]})))


def test_in_a_dag_test_the_first_event_that_matches_fires(cloud, queue):
    publish(cloud, "JOB_SUCCEED", "job-1")
    publish(cloud, "JOB_FAILED", "job-2")
    payload = asyncio.run(first(BatchEventTrigger(queue, ["JOB_FAILED"])))
    assert (payload["event_name"], payload["job_id"]) == ("JOB_FAILED", "job-2")


def test_a_plain_message_fires_as_it_is(cloud, queue):
    cloud.call(lambda emulator: emulator.broker.send(queue, ["hello"]))
    payload = asyncio.run(first(CmqMessageTrigger(queue)))
    assert (payload["body"], payload["events"]) == ("hello", [])


def test_only_a_repeated_delivery_is_the_same_event():
    """A payload-bearing exit that loses something: an event that counts as fired is deleted."""
    event = BatchEvent("JOB_FAILED", batch={"JobId": "job-1"})
    assert event_id(event, "1") == event_id(event, "1") != event_id(event, "2")
    timed = BatchEvent("JOB_FAILED", pendulum.datetime(2026, 1, 1), batch={"JobId": "job-1"})
    assert event_id(timed, "1") == event_id(timed, "2")
