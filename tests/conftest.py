# SPDX-License-Identifier: Apache-2.0
"""An emulated cloud with a topic and a queue, and the Airflow connection that leads to it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from support.emulator_helpers import address_of

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import SdkClient
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import RunningEmulator, start_emulator

# Hypothesis measures how long an example takes, which on a busy machine says nothing about the code.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

HERE = Path(__file__).parent

# What 'make test-fast' leaves out, and why it cannot be made fast: files, and whatever uses a fixture.
SLOW_FILES = {
    "emulator/tests/console/test_browser.py": "a browser",
    "emulator/tests/test_cli.py": "emulators in processes of their own",
    "emulator/tests/test_odd_inputs.py": "hundreds of strange requests to every action",
    "emulator/tests/test_pytest_plugin.py": "a run of pytest in a process of its own",
    "tests/chaos/test_chaos.py": "jobs, faults and kills in real time, in processes of their own",
    "tests/chaos/test_strange_answers.py": "thousands of answers",
    "tests/cli/test_common.py": "many processes, each of which imports Airflow",
    "tests/devtools/airflow_stack/test_session_guard.py": "processes that start and end",
    "tests/devtools/test_emulator_process.py": "emulators in processes of their own",
    "tests/dispatch/many/test_account_limits.py": "thousands of jobs at the pace of an account, in real time",
    "tests/operators/test_job_actions.py": "jobs that run twice, in real time",
    "tests/plugins/test_batch_page.py": "processes, each of which imports Airflow",
    "tests/protocol/test_loop_thread.py": "processes that start and end",
    "tests/test_packaging.py": "wheels are built",
    "tests/test_ways_to_end.py": "each end of each operator and sensor, by each way, in real time",
    "tests/triggers/test_clocks.py": "deadlines by two clocks, in real time",
    "tests/triggers/test_keys.py": "keys that expire in real time",
    "tests/triggers/test_many_jobs.py": "triggerers that die and go on, in real time",
    "tests/triggers/test_poison_messages.py": "messages that come back, in real time",
    "tests/triggers/test_queue_consumer.py": "a process that imports Airflow",
    "tests/triggers/test_shared_stream.py": "messages that come back, in real time",
    "tests/triggers/test_stored.py": "deadlines by two clocks, in real time",
    "tests/triggers/test_without_stream.py": "messages that come back, in real time",
    "tests/waiting/test_airflow_metrics.py": "jobs that run in real time",
    "tests/waiting/test_task_completion.py": "waits that time out, in real time",
}
SLOW_FIXTURES = {"dag_run": "a run of real Airflow"}

# These need Celery, which only the environment of 'make test-distributed' has.
collect_ignore = [] if find_spec("celery") else ["distributed"]

TOPIC = "events"
QUEUE = "waits"


def pytest_configure() -> None:
    """
    End as by Ctrl-C, with fixtures torn down, in the background of a shell and by ``kill`` too.

    A shell lets what it runs in the background ignore SIGINT; SIGTERM and SIGHUP would end pytest at once. What a
    fixture has started ends even if nothing is torn down: see ``devtools/airflow_stack/session_guard.py``.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not all(map(is_given, needed(item)))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        kept = set(items) - set(left_out)
        items[:] = [item for item in items if item in kept]
    files = {HERE.parent / name: reason for name, reason in SLOW_FILES.items()}
    assert not [path for path in files if not path.exists()], "a slow file is called something else now"
    for item in items:
        fixtures = SLOW_FIXTURES.keys() & set(getattr(item, "fixturenames", ()))
        reason = files.get(item.path) or ", ".join(SLOW_FIXTURES[name] for name in fixtures)
        if reason:
            item.add_marker(pytest.mark.slow(reason=reason))


def needed(item: pytest.Item) -> list[str]:
    """Return the abilities that Airflow must have for a test, or must not have: ``!HAS_STATE_STORE``."""
    return [name for marker in item.iter_markers("needs") for name in marker.args]


def is_given(name: str) -> bool:
    return bool(getattr(abilities, name.removeprefix("!"))) is not name.startswith("!")


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[RunningEmulator]:
    """One emulator for all tests that leave each other's jobs alone; jobs are scripted."""
    with start_emulator(delays=Delays.none(starting=0.05, terminating=0.05), seed=1) as emulator:
        with SdkClient(address_of(emulator).access()) as client:
            client.send(tdmq.create_topic(TOPIC))
            client.send(tdmq.create_queue(QUEUE))
            client.send(tdmq.create_subscription(TOPIC, "s", QUEUE))
        yield emulator


@pytest.fixture
def cloud(shared_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningEmulator]:
    """The shared emulator as the default connection's cloud, without faults."""
    monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address_of(shared_emulator).connection()))
    yield shared_emulator
    shared_emulator.clear_faults()


@pytest.fixture
def own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tasks of a test belong to a run of their own, because the cloud remembers client tokens."""
    from support.tasks import TaskInstance

    made, run_id = TaskInstance.__init__, uuid4().hex

    def init(self: TaskInstance, try_number: int = 1) -> None:
        made(self, try_number)
        self.run_id = run_id

    monkeypatch.setattr(TaskInstance, "__init__", init)
