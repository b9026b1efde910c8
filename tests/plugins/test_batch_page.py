# SPDX-License-Identifier: Apache-2.0
"""The plugin as Airflow finds it in each of its processes."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from airflow_batch_events.plugins import batch_page
from airflow_batch_events.plugins.batch_page import BatchPagePlugin

DESCRIBE = """
import json, sys
from airflow import plugins_manager
load = getattr(plugins_manager, "ensure_plugins_loaded", None) or (lambda: None)
load()
plugins = plugins_manager.plugins if hasattr(plugins_manager, "plugins") else plugins_manager._get_plugins()[0]
(ours,) = [one for one in plugins if one.name == "batch_events"]
print(json.dumps([[app["url_prefix"] for app in ours.fastapi_apps], ours.react_apps]))
"""


def run(code: str) -> Any:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_finds_it_by_its_entry_point() -> None:
    (entry,) = [one for one in entry_points(group="airflow.plugins") if one.value.startswith("airflow_batch_events.")]
    assert entry.load() is BatchPagePlugin


def test_airflow_s_own_plugin_manager_takes_it() -> None:
    prefixes, (page,) = run(DESCRIBE)
    assert prefixes == ["/batch-events"]
    assert page["bundle_url"].endswith("/batch-events/page.js")
    assert (page["name"], page["url_route"], page["category"]) == ("Batch", "batch", "browse")


def test_the_page_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCH_EVENTS__UI", "False")
    found = runpy.run_path(batch_page.__file__)["BatchPagePlugin"]
    assert (found.fastapi_apps, found.react_apps) == ([], [])


def test_loading_the_plugin_brings_no_server_side() -> None:
    code = """
import json, sys
from airflow_batch_events.airflow_compat.ui.plugin import AirflowPlugin
before = set(sys.modules)
import airflow_batch_events.plugins.batch_page
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    brought = run(code)
    assert [name for name in brought if not name.startswith("airflow_batch_events")] == []


COST = """
import json, os, time
import airflow.plugins_manager, airflow.sdk.execution_time.task_runner
times = []
for _ in range(7):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        began = time.process_time()
        import airflow_batch_events.plugins.batch_page
        os.write(theirs, str(time.process_time() - began).encode())
        os._exit(0)
    os.wait()
    times.append(float(os.read(ours, 100)))
print(json.dumps(min(times)))
"""


def test_loading_the_plugin_costs_a_worker_next_to_nothing() -> None:
    milliseconds = run(COST) * 1_000
    print(f"importing the plugin in a worker: {milliseconds:.2f} ms of processor time, the least of seven")
    assert milliseconds <= 5


def test_the_module_of_the_page_is_beside_the_plugin() -> None:
    assert "globalThis.AirflowPlugin" in Path(batch_page.__file__).with_name("page.js").read_text()


@pytest.mark.parametrize("name", ["innerHTML", "dangerouslySetInnerHTML", "eval(", "document.write"])
def test_the_page_makes_no_html_of_what_it_shows(name: str) -> None:
    assert name not in Path(batch_page.__file__).with_name("page.js").read_text()
