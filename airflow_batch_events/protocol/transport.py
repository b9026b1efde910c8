# SPDX-License-Identifier: Apache-2.0
"""
The HTTP clients under both asynchronous clients: httpx, which the vendor's SDK wants, for the APIs, and aiohttp for the
queue service.

A thousand events are some 130 calls of the queue service, and httpx takes three to four times as much processor time a
call (0.6 ms instead of 0.15 ms, with eight calls under way). Building a client reads certificates from disk for the
better part of a tenth of a second, and importing one takes a quarter, so neither happens when a DAG file is parsed nor
on an event loop.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.credentials import CloudAccess

if TYPE_CHECKING:
    import aiohttp
    import httpx

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection to come about."""

KEEP_ALIVE = 5.0
"""Seconds for which an idle connection is kept; a server may close it any time after it has become idle."""


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


async def open_session(access: CloudAccess, endpoint: str) -> aiohttp.ClientSession:
    """
    Build the queue service's HTTP client, the slow part of it off the event loop.

    :param access: How to check certificates and which proxy to use.
    :param endpoint: The only address that is going to be called.
    :raises ConfigurationError: When the CA bundle cannot be read or the proxy is of an unknown kind.
    """
    verification = await asyncio.to_thread(_session_verification, access)

    import aiohttp

    return aiohttp.ClientSession(
        # Each long poll holds a connection, and deletions must not queue behind them.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ssl=verification),
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=_session_proxy(access, endpoint),
    )


def check_bundle(access: CloudAccess) -> None:
    """
    Read the CA bundle, for a client that does not say what is wrong with it. Blocks.

    :param access: How to check certificates.
    :raises ConfigurationError: When the CA bundle cannot be read.
    """
    try:
        _verification(access.verify)
    except OSError as error:
        raise _bundle_error(access, error) from error


def _session_verification(access: CloudAccess) -> ssl.SSLContext:
    import aiohttp  # noqa: F401 - here, because it takes a quarter of a second

    return _tls_context(access)


def _session_proxy(access: CloudAccess, endpoint: str) -> str | None:
    """Return the proxy to use: the given one, or else the environment's for the only address that is called."""
    proxy = access.proxy
    if proxy is None:
        scheme, host = urlsplit(endpoint)[:2]
        proxies = getproxies()
        proxy = proxies.get(scheme) or proxies.get("all")
        if not proxy or proxy_bypass(host):
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        # A proxy's URL may hold a password, so the message does not repeat it.
        raise ConfigurationError(f"{access.source}: a proxy to the queue service must begin with http:// or https://")
    return proxy


def _build(
    access: CloudAccess, timeout: float, on_response: Callable[[httpx.Response], Awaitable[None]]
) -> httpx.AsyncClient:
    import httpx

    context = _tls_context(access)
    try:
        return httpx.AsyncClient(
            verify=context,
            proxy=access.proxy,
            timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT),
            # Each long poll holds a connection, and deletions must not queue behind them.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            event_hooks={"response": [on_response]},
        )
    except ValueError as error:
        raise ConfigurationError(f"{access.source}: proxy must begin with http://, https:// or socks5://") from error
    except ImportError as error:
        raise ConfigurationError(f"{access.source}: a socks5:// proxy needs the package socksio") from error


def _tls_context(access: CloudAccess) -> ssl.SSLContext:
    """Return the context of both clients: its certificates come from certifi, a variable or the bundle."""
    import httpx

    try:
        return httpx.create_ssl_context(_verification(access.verify))
    except OSError as error:
        raise _bundle_error(access, error) from error


def _bundle_error(access: CloudAccess, error: OSError) -> ConfigurationError:
    if isinstance(access.verify, bool):
        bundle = "the CA bundle that SSL_CERT_FILE or SSL_CERT_DIR names"
    else:
        bundle = f"the CA bundle {access.verify!r} (in Airflow's configuration [batch_events] ca_bundle)"
    return ConfigurationError(f"{access.source}: {bundle} cannot be read: {error}")


def _verification(verify: bool | str) -> ssl.SSLContext | bool:
    if isinstance(verify, bool):
        return verify
    is_folder = os.path.isdir(verify)
    return ssl.create_default_context(cafile=None if is_folder else verify, capath=verify if is_folder else None)
