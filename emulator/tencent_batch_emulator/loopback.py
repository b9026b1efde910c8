# SPDX-License-Identifier: Apache-2.0
"""Which host names and addresses can only mean this machine. It imports nothing, so that anything can import it."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host can only mean this machine; a port behind it does not matter."""
    return _names_loopback(host) or _names_loopback(without_port(host))


def without_port(host: str) -> str:
    """Return a host without the port behind it: ``127.0.0.1`` for ``127.0.0.1:8700``."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and (":" not in name or name.endswith("]")) else host


def _names_loopback(name: str) -> bool:
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
