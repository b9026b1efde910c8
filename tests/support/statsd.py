# SPDX-License-Identifier: Apache-2.0
"""A StatsD server that keeps the lines it is sent."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

LARGEST = 65_536


class StatsdServer:
    """Listen on a UDP port of the loopback as long as the context lasts."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._is_open = True
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._listen)

    @property
    def settings(self) -> dict[str, str]:
        """What makes an Airflow component send its metrics here, with their tags."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    def lines(self, prefix: str) -> list[str]:
        """Return what has been sent and begins so."""
        return [line for line in list(self._lines) if line.startswith(prefix)]

    def __enter__(self) -> StatsdServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while self._is_open:
            try:
                packet = self._socket.recv(LARGEST)
            except TimeoutError:
                continue
            self._lines += packet.decode().splitlines()
