# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_batch_events.cli.main import main
from airflow_batch_events.protocol.apis import tdmq


def test_what_is_missing_is_provisioned_once(run_json, names):
    topic, queue = names
    options = ("provision", "--topic", topic, "--queue", queue)
    status, result = run_json(*options)
    assert (status, result["ok"]) == (0, True)
    assert result["steps"] == [
        f"create topic {topic}",
        f"create dead-letter queue {queue}-dead",
        f"create queue {queue}",
        f"create subscription to-{queue} from topic to queue",
    ]
    status, result = run_json(*options)
    assert (status, result["steps"]) == (0, [])


def test_a_dry_run_creates_nothing(run_json, names, cloud):
    topic, queue = names
    before = cloud.count("CreateCmqTopic")
    status, result = run_json("provision", "--topic", topic, "--queue", queue, "--dry-run")
    assert (status, len(result["steps"])) == (0, 4)
    assert cloud.count("CreateCmqTopic") == before


def test_a_queue_that_does_not_fit_is_left_alone(run_json, names, client):
    topic, queue = names
    client.send(tdmq.create_topic(topic))
    client.send(tdmq.create_queue(queue))
    client.send(tdmq.create_subscription(topic, "s", queue, filter_tags=["important"]))
    status, result = run_json("provision", "--topic", topic, "--queue", queue, "--dry-run")
    assert status == 1
    assert "clear its filter tags" in result["problems"][0]
    assert result["steps"] == []


def test_people_are_told_what_exists_and_what_would_be_created(capsys, names, client):
    topic, queue = names
    client.send(tdmq.create_topic(topic))
    assert main(["provision", "--topic", topic, "--queue", queue, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert f"exists: topic {topic}" in told
    assert f"would create queue {queue}" in told
