# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import threading

from airflow_batch_events.cli.main import main
from airflow_batch_events.protocol.apis import tdmq


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
