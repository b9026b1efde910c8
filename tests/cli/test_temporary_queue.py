# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.cli.temporary_queue import temporary_queue
from airflow_batch_events.protocol.apis import tdmq


@pytest.fixture
def topic(names, client):
    client.send(tdmq.create_topic(names[0]))
    return names[0]


def queues(client):
    return [item.name for item in client.send(tdmq.describe_queues(name="airflow-check")).items]


def test_it_is_subscribed_and_deleted_in_the_end(client, topic):
    with temporary_queue(client, topic, "check") as name:
        assert queues(client) == [name]
        assert [item.endpoint for item in tdmq.list_subscriptions(client.send, topic)] == [name]
    assert queues(client) == []


def test_it_is_deleted_when_the_command_fails(client, topic):
    with pytest.raises(KeyboardInterrupt), temporary_queue(client, topic, "check"):
        raise KeyboardInterrupt
    assert queues(client) == []


def test_nothing_is_left_when_the_topic_is_missing(client, names):
    with pytest.raises(Exception, match="opic"), temporary_queue(client, names[0], "check"):
        raise AssertionError("there is no topic to listen to")
    assert queues(client) == []
