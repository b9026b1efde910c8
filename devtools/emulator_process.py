# SPDX-License-Identifier: Apache-2.0
"""
The emulator as a process beside Airflow, and the connection that leads to it.

The key that the emulator makes for this run travels in a file that only its user can read and in the environment of the
components, never on a command line, where every user of the machine could see it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import httpx

from airflow_batch_events.protocol.credentials.access import ENDPOINT_FIELDS, CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.provisioning.provision import DesiredState, apply, plan
from devtools.airflow_stack.processes import ChildProcess, stop_all
from devtools.waits import LIMIT

CONN_ID = "tencentcloud_default"

_STOP_GRACE = 5


@dataclass(frozen=True)
class CloudAddress:
    """
    Where the emulated cloud is, and the key that it accepts.

    :param endpoint: For example ``http://127.0.0.1:4321``; all its services are there.
    :param secret_id: The key's id.
    :param secret_key: The key.
    :param region: The region that it plays.
    """

    endpoint: str
    secret_id: str
    secret_key: str = field(repr=False)
    region: str

    def access(self) -> CloudAccess:
        """Return what the package's own clients are made from."""
        return CloudAccess.at_endpoint(
            self.endpoint, self.secret_id, self.secret_key, self.region, source="the emulator's address file"
        )

    def connection(self) -> dict[str, object]:
        """Return the Airflow connection that leads here."""
        endpoints = dict.fromkeys(ENDPOINT_FIELDS, self.endpoint)
        return {
            "conn_type": "tencentcloud",
            "login": self.secret_id,
            "password": self.secret_key,
            "extra": {"region": self.region, "console_url": f"{self.endpoint}/console", **endpoints},
        }

    def polls(self) -> list[list[str]]:
        """Return the job ids of each poll that was answered so far, of the last 10,000; the newest is the last."""
        answer = httpx.get(
            f"{self.endpoint}/_emulator/requests",
            params={"action": "DescribeJobs", "limit": 10_000},
            headers={"Authorization": f"Bearer {self.secret_key}"},
            timeout=LIMIT,
            trust_env=False,
        )
        answer.raise_for_status()
        answered = [call["target"] for call in answer.json()["requests"] if call["code"] == "OK"]
        return [target.split(", ") if target else [] for target in reversed(answered)]


class EmulatorProcess:
    """
    Run the emulator in a process of its own, as a context manager that yields its address.

    :param folder: Where its log and its address file are; only its user should be able to read it.
    :param options: Further command line options of ``tencent-batch-emulator``.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options: Sequence[str] = options
        self._child: ChildProcess | None = None

    def __enter__(self) -> CloudAddress:
        address_file = self._folder / "emulator.json"
        command = [sys.executable, "-m", "tencent_batch_emulator.cli", "--address-file", str(address_file)]
        self._child = ChildProcess(
            "emulator", [*command, *self._options], env=os.environ, log=self._folder / "emulator.log"
        )
        try:
            return _read_address(self._child.start(), address_file)
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def child(self) -> ChildProcess:
        """The running process."""
        if self._child is None:
            raise RuntimeError("the emulator does not run: enter its context first")
        return self._child

    def stop(self) -> None:
        """Stop the emulator and the jobs that it runs; harmless when it does not run."""
        if self._child:
            stop_all([self._child], grace=_STOP_GRACE)
            self._child = None


def _read_address(child: ChildProcess, address_file: Path) -> CloudAddress:
    deadline = time.monotonic() + LIMIT
    while not address_file.exists():
        child.check_alive()
        if time.monotonic() > deadline:
            raise TimeoutError(f"The emulator did not serve after {LIMIT:g} s. Its log:\n{child.tail()}")
        time.sleep(0.05)
    return CloudAddress(**json.loads(address_file.read_text()))


def provision(cloud: CloudAddress, topic_name: str, *queue_names: str) -> None:
    """
    Make sure of a topic and queues, and of the subscriptions that forward everything from the one to the others.

    :param topic_name: The topic.
    :param queue_names: The queues.
    """
    with SdkClient(cloud.access()) as client:
        for queue_name in queue_names:
            apply(client.send, plan(client.send, DesiredState(topic_name, queue_name)), lambda title: None)
