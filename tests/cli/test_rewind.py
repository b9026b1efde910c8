# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_batch_events.cli.main import main
from airflow_batch_events.exceptions import ConfigurationError, WaitQueueNotFoundError
from airflow_batch_events.hooks.cmq import CmqHook
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import SdkClient

QUEUE = "rewound"


@pytest.fixture
def hook(cloud):
    return CmqHook()


@pytest.fixture
def queue(hook):
    """A queue with rewind, from which three messages were received and deleted."""
    with SdkClient(hook.access) as client:
        client.send(tdmq.create_queue(QUEUE, tdmq.QueueSettings().with_rewind(86_400)))
        for body in ("one", "two", "three"):
            hook.send(QUEUE, body)
        assert empty(hook) == ["one", "three", "two"]
        yield QUEUE
        client.send(tdmq.delete_queue(QUEUE))


def empty(hook):
    messages = hook.receive(QUEUE)
    assert all(hook.delete(QUEUE, message) for message in messages)
    return sorted(message.body for message in messages)


def run(capsys, *arguments):
    status = main(["rewind", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_what_was_deleted_is_delivered_again(capsys, hook, queue):
    status, result = run(capsys, "--queue", queue, "--to", "-1h")
    assert (status, result["at_most"], result["dry_run"]) == (0, 3, False)
    assert empty(hook) == ["one", "three", "two"]


def test_rewinding_twice_delivers_each_message_once(hook, queue):
    assert hook.rewind_queue(queue, "-1h").kept == 3
    hook.rewind_queue(queue, "-1h")
    assert empty(hook) == ["one", "three", "two"]


def test_a_dry_run_says_the_same_and_delivers_nothing(capsys, hook, queue):
    status, result = run(capsys, "--queue", queue, "--to", "-1h", "--dry-run")
    assert (status, result["at_most"], result["dry_run"]) == (0, 3, True)
    assert hook.receive(queue) == []


def test_people_are_told_what_comes_again(capsys, queue):
    assert main(["rewind", "--queue", queue, "--to=-1h"]) == 0
    told = capsys.readouterr().out
    assert f"Queue {queue} delivers again at most 3 messages" in told


def test_the_queue_that_waits_read_says_how_rewind_is_turned_on(capsys, cloud):
    status, result = run(capsys, "--queue", "waits", "--to", "-1h")
    assert status == 1
    assert "provision --rewind-seconds 86400" in result["message"]


def test_a_missing_queue_is_named(hook):
    with pytest.raises(WaitQueueNotFoundError, match=r"'nowhere' does not exist.*provision --queue nowhere"):
        hook.rewind_queue("nowhere", "-1h")


def test_a_time_that_is_none_is_refused_before_anything_is_done(hook, queue):
    with pytest.raises(ConfigurationError, match="no time"):
        hook.rewind_queue(queue, "soon")
    assert hook.receive(queue) == []


def test_the_queue_and_the_time_must_be_said():
    with pytest.raises(SystemExit):
        main(["rewind", "--to", "-1h"])
    with pytest.raises(SystemExit):
        main(["rewind", "--queue", QUEUE])


def test_provision_makes_queues_that_can_be_rewound(capsys, hook):
    options = ["provision", "--topic", "t-rewind", "--queue", "q-rewind", "--rewind-seconds", "3600"]
    assert main(options) == 0
    assert hook.rewind_queue("q-rewind", "-30m").kept == 0
    assert main(options) == 0


def test_provision_says_how_to_turn_rewind_on(capsys, cloud):
    main(["provision", "--topic", "t-rewind-not", "--queue", "q-rewind-not"])
    options = ["provision", "--topic", "t-rewind-not", "--queue", "q-rewind-not", "--rewind-seconds", "3600"]
    capsys.readouterr()
    assert main([*options, "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out.splitlines()[-1])["problems"]
    assert "set its message rewind to 3600 s" in problem
