# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from airflow_batch_events.cli.main import main
from airflow_batch_events.protocol.apis import tdmq


def test_the_doctor_finds_everything_well_after_provisioning(run_json, names):
    topic, queue = names
    main(["provision", "--topic", topic, "--queue", queue])
    status, result = run_json("doctor", "--topic", topic, "--queue", queue)
    assert status == 0, result
    checks = [finding["check"] for finding in result["findings"]]
    assert checks == ["Batch API", "clock", "topic", "subscription", "queue", "queue", "queue service", "probe"]


def test_the_doctor_says_how_to_create_what_is_missing(run_json, names):
    topic, queue = names
    status, result = run_json("doctor", "--topic", topic, "--queue", queue)
    assert status == 1
    wrong = {finding["check"]: finding["text"] for finding in result["findings"] if not finding["is_well"]}
    assert set(wrong) == {"topic", "queue"}
    assert f"airflow-batch-events provision --topic {topic} --queue {queue}" in wrong["topic"]


def test_the_doctor_finds_a_filter_that_keeps_events_out(run_json, names, client):
    topic, queue = names
    client.send(tdmq.create_topic(topic))
    client.send(tdmq.create_queue(queue))
    client.send(tdmq.create_subscription(topic, "s", queue, filter_tags=["important"]))
    status, result = run_json("doctor", "--topic", topic, "--queue", queue, "--no-probe")
    assert status == 1
    (wrong,) = [finding["text"] for finding in result["findings"] if not finding["is_well"]]
    assert "clear its filter tags" in wrong


def test_the_doctor_names_a_key_that_is_refused(run_json, monkeypatch, cloud):
    extra = {"region": "ap-guangzhou", "batch_endpoint": cloud.endpoint}
    connection = {"conn_type": "tencentcloud", "login": "AKIDwrong", "password": "sesame", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps(connection))
    status, result = run_json("doctor", "--conn-id", "wrong")
    assert status == 1
    assert "AuthFailure" in result["findings"][0]["text"]
    assert "sesame" not in json.dumps(result)
