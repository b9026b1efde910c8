# SPDX-License-Identifier: Apache-2.0
"""A topic and a queue that do not exist yet, and commands that are run for their JSON."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_batch_events.cli.main import main
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient

numbers = itertools.count(1)
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def names(cloud: Any) -> tuple[str, str]:
    number = next(numbers)
    return f"topic-{number}", f"queue-{number}"


@pytest.fixture
def client(cloud: Any) -> Iterator[SdkClient]:
    access = CloudAccess.at_endpoint(cloud.endpoint, cloud.secret_id, cloud.secret_key)
    with SdkClient(access) as client:
        yield client


@pytest.fixture
def run_json(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with ``--json``; returns its exit status and the last object that it prints."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = main([*arguments, "--json"])
        return status, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run
