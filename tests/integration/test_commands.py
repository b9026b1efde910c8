# SPDX-License-Identifier: Apache-2.0
"""What a user types: the provider is found, the connection can be tested, the examples run as task tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision

# What an event loop that was left in disorder would have written.
DISORDER = re.compile(
    r"Task was destroyed|was never awaited|Unclosed|unclosed|Event loop is closed|loop is not closed|ResourceWarning"
)


@pytest.fixture
def topic_and_queue(emulator: CloudAddress) -> Iterator[None]:
    provision(emulator, "batch-events", "airflow-batch-events")
    yield
    with SdkClient(emulator.access()) as client:
        client.send(delete_queue("airflow-batch-events"))
        client.send(delete_topic("batch-events"))


def test_airflow_lists_the_provider(stack: AirflowStack) -> None:
    listed = json.loads(stack.run("providers", "list", "--output", "json").stdout)
    (ours,) = [provider for provider in listed if provider["package_name"] == "airflow-batch-events"]
    assert "Tencent Cloud Batch" in ours["description"]


@pytest.mark.needs("HAS_PROVIDER_COMMANDS")
@pytest.mark.usefixtures("topic_and_queue")
def test_airflow_s_command_line_has_ours(stack: AirflowStack) -> None:
    done = stack.run("batch-events", "doctor", "--json")
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["ok"] is True
    refused = stack.run("batch-events", "rewind", "--queue", "airflow-batch-events", "--to=-1h", check=False)
    assert refused.returncode == 1
    assert "cannot be rewound" in refused.stdout


def test_airflow_tests_the_connection(stack: AirflowStack) -> None:
    assert "Connection success!" in stack.run("connections", "test", "tencentcloud_default").stdout


@pytest.mark.usefixtures("topic_and_queue")
@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("batch_branch_on_result", {"command": "sleep 2; exit 3"}),
        ("batch_fan_out", {"jobs": 3, "command": "sleep 2"}),
    ],
)
def test_an_example_runs_as_a_dag_test(
    stack: AirflowStack, dag_id: str, conf: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.env, "PYTHONWARNINGS", "always::ResourceWarning")
    monkeypatch.setitem(stack.env, "PYTHONASYNCIODEBUG", "1")
    # Airflow's own client of StatsD never closes its socket.
    monkeypatch.setitem(stack.env, "AIRFLOW__METRICS__STATSD_ON", "False")
    result = stack.run("dags", "test", dag_id, "--conf", json.dumps(conf), check=False)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    assert re.search(r"state[=:]\s*success|successful", output), output[-3000:]
    assert not DISORDER.search(output), output
