# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import json
import threading

import pytest

from airflow_batch_events.cli.main import main
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient

numbers = itertools.count(1)


@pytest.fixture
def names(cloud):
    number = next(numbers)
    return f"topic-{number}", f"queue-{number}"


@pytest.fixture
def client(cloud):
    access = CloudAccess.at_endpoint(cloud.endpoint, cloud.secret_id, cloud.secret_key)
    with SdkClient(access) as client:
        yield client


def run(capsys, *arguments):
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_what_is_missing_is_provisioned_once(capsys, names):
    topic, queue = names
    options = ("provision", "--topic", topic, "--queue", queue)
    status, result = run(capsys, *options)
    assert (status, result["ok"]) == (0, True)
    assert result["steps"] == [
        f"create topic {topic}",
        f"create dead-letter queue {queue}-dead",
        f"create queue {queue}",
        f"create subscription to-{queue} from topic to queue",
    ]
    status, result = run(capsys, *options)
    assert (status, result["steps"]) == (0, [])


def test_a_dry_run_creates_nothing(capsys, names, cloud):
    topic, queue = names
    before = cloud.count("CreateCmqTopic")
    status, result = run(capsys, "provision", "--topic", topic, "--queue", queue, "--dry-run")
    assert (status, len(result["steps"])) == (0, 4)
    assert cloud.count("CreateCmqTopic") == before


def test_the_doctor_finds_everything_well_after_provisioning(capsys, names):
    topic, queue = names
    main(["provision", "--topic", topic, "--queue", queue])
    capsys.readouterr()
    status, result = run(capsys, "doctor", "--topic", topic, "--queue", queue)
    assert status == 0, result
    checks = [finding["check"] for finding in result["findings"]]
    assert checks == ["Batch API", "clock", "topic", "subscription", "queue", "queue", "queue service", "probe"]


def test_the_doctor_says_how_to_create_what_is_missing(capsys, names):
    topic, queue = names
    status, result = run(capsys, "doctor", "--topic", topic, "--queue", queue)
    assert status == 1
    wrong = {finding["check"]: finding["text"] for finding in result["findings"] if not finding["is_well"]}
    assert set(wrong) == {"topic", "queue"}
    assert f"airflow-batch-events provision --topic {topic} --queue {queue}" in wrong["topic"]


def test_the_doctor_finds_a_filter_that_keeps_events_out(capsys, names, client):
    topic, queue = names
    client.send(tdmq.create_topic(topic))
    client.send(tdmq.create_queue(queue))
    client.send(tdmq.create_subscription(topic, "s", queue, filter_tags=["important"]))
    status, result = run(capsys, "doctor", "--topic", topic, "--queue", queue, "--no-probe")
    assert status == 1
    (wrong,) = [finding["text"] for finding in result["findings"] if not finding["is_well"]]
    assert "clear its filter tags" in wrong


def test_the_doctor_names_a_key_that_is_refused(capsys, monkeypatch, cloud):
    extra = {"region": "ap-guangzhou", "batch_endpoint": cloud.endpoint}
    connection = {"conn_type": "tencentcloud", "login": "AKIDwrong", "password": "sesame", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps(connection))
    status, result = run(capsys, "doctor", "--conn-id", "wrong")
    assert status == 1
    assert "AuthFailure" in result["findings"][0]["text"]
    assert "sesame" not in json.dumps(result)


def test_a_connection_that_is_missing_ends_every_command_with_the_way_out(capsys):
    for command in ("provision", "doctor", "tail"):
        status, result = run(capsys, command, "--conn-id", "nowhere")
        assert status == 1
        assert "connection 'nowhere' does not exist: create it" in result["message"]


def test_events_are_shown_without_taking_them_from_anybody(capsys, names, cloud, client):
    topic, queue = names
    main(["provision", "--topic", topic, "--queue", queue])
    capsys.readouterr()
    event = {"EventName": "JOB_SUCCEED", "EventTime": "2026-01-01T00:00:00Z", "Batch": {"JobId": "job-1"}}
    body = json.dumps({"Events": [event]})
    timer = threading.Timer(1.0, lambda: cloud.call(lambda emulator: emulator.broker.publish(topic, body)))
    timer.start()
    status = main(["tail", "--topic", topic, "--count", "1", "--seconds", "20", "--json"])
    timer.join()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert status == 0
    assert (lines[0]["event_name"], lines[0]["job_id"]) == ("JOB_SUCCEED", "job-1")
    assert lines[-1] == {"ok": True, "events": 1}
    assert client.send(tdmq.describe_queue(queue)).active_msg_num == 1
    left = [item.name for item in client.send(tdmq.describe_queues(name="airflow-tail")).items]
    assert left == []
