# SPDX-License-Identifier: Apache-2.0
"""
The HTTP client under both asynchronous clients.

Building one reads certificates from disk for the better part of a tenth of a second, and importing httpx takes a
quarter, so neither happens when a DAG file is parsed nor on an event loop.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.credentials import CloudAccess

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection to come about."""


async def open_http_client(
    access: CloudAccess, *, timeout: float, on_response: Callable[[httpx.Response], Awaitable[None]]
) -> httpx.AsyncClient:
    """
    Build an HTTP client off the event loop.

    :param access: How to check certificates and which proxy to use.
    :param timeout: Seconds without a byte after which a call is given up.
    :param on_response: Called with each response before its body is read.
    :raises ConfigurationError: When the CA bundle cannot be read or the proxy is of an unknown kind.
    """
    return await asyncio.to_thread(_build, access, timeout, on_response)


def _build(
    access: CloudAccess, timeout: float, on_response: Callable[[httpx.Response], Awaitable[None]]
) -> httpx.AsyncClient:
    import httpx

    try:
        return httpx.AsyncClient(
            verify=_verification(access.verify),
            proxy=access.proxy,
            timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT),
            # Each long poll holds a connection, and deletions must not queue behind them.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            event_hooks={"response": [on_response]},
        )
    except OSError as error:
        raise ConfigurationError(
            f"{access.source}: verify names the CA bundle {access.verify!r}, which cannot be read: {error}"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{access.source}: proxy must begin with http://, https:// or socks5://") from error


def _verification(verify: bool | str) -> ssl.SSLContext | bool:
    if isinstance(verify, bool):
        return verify
    is_folder = os.path.isdir(verify)
    return ssl.create_default_context(cafile=None if is_folder else verify, capath=verify if is_folder else None)
