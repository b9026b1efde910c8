# SPDX-License-Identifier: Apache-2.0
"""
What both HTTP stacks share, and the queue service's one: aiohttp there, httpx (``http_line.py``) for the APIs.

A thousand events are some 130 calls of the queue service, and httpx takes three to six times as much processor time a
call (docs/decisions/http-stacks.md). Building a client reads certificates from disk for the better part of a tenth of a
second, and importing one takes a quarter, so neither happens when a DAG file is parsed nor on an event loop.

Neither stack does anything by itself: no redirects, no cookies, no ``.netrc``, and of the environment only the proxy
(``proxy.py``) and ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from typing import TYPE_CHECKING

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.credentials.proxy import Proxy, proxy_for
from airflow_batch_events.protocol.credentials.settings import is_loopback

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection to come about."""

KEEP_ALIVE = 5.0
"""Seconds for which an idle connection is kept; a server may close it any time after it has become idle."""

_warned: set[str] = set()


async def open_session(access: CloudAccess, endpoint: str) -> tuple[aiohttp.ClientSession, Proxy | None]:
    """
    Build the queue service's HTTP client, the slow part of it off the event loop.

    :param access: How to check certificates and which proxy to use.
    :param endpoint: The only address that is going to be called.
    :return: The client, and the proxy that it uses.
    :raises ConfigurationError: When the CA bundle or the proxy cannot be read, or the proxy is of another kind.
    """
    proxy = proxy_for(access.source, access.proxy, endpoint)
    if proxy is not None and proxy.scheme not in ("http", "https"):
        raise ConfigurationError(f"{access.source}: a proxy to the queue service must begin with http:// or https://")
    warn_if_readable(access, endpoint)
    verification = await asyncio.to_thread(_session_verification, access)

    import aiohttp

    headers = {"Accept-Encoding": "identity"}
    if proxy is not None and endpoint.startswith("http://"):
        # Without a tunnel the proxy reads the request itself; for a tunnel it goes with each call.
        headers |= proxy.headers
    session = aiohttp.ClientSession(
        # Each long poll holds a connection, and deletions must not queue behind them.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ssl=verification),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        proxy=None if proxy is None else proxy.url,
        trust_env=False,
    )
    return session, proxy


def warn_if_readable(access: CloudAccess, endpoint: str) -> None:
    """Warn, once for each address, where requests leave this machine unencrypted."""
    if endpoint.startswith("http://") and not is_loopback(endpoint) and endpoint not in _warned:
        _warned.add(endpoint)
        log.warning(
            "%s: requests to %s are not encrypted: signatures, session tokens, job descriptions and messages can be "
            "read on the way; use https:// where the address has it",
            access.source,
            endpoint,
        )


def tls_context(access: CloudAccess) -> ssl.SSLContext:
    """
    Return the context of both stacks: its certificates come from certifi, a variable or the bundle. Blocks.

    :raises ConfigurationError: When the CA bundle cannot be read.
    """
    import httpx

    reason = None
    try:
        return httpx.create_ssl_context(verify=_verification(access.verify))
    except OSError as error:
        reason = error.strerror or "no certificates in it"
    if isinstance(access.verify, bool):
        bundle = "the CA bundle that SSL_CERT_FILE or SSL_CERT_DIR names"
    else:
        bundle = f"the CA bundle {access.verify!r} (in Airflow's configuration [batch_events] ca_bundle)"
    raise ConfigurationError(f"{access.source}: {bundle} cannot be read: {reason}")


def _session_verification(access: CloudAccess) -> ssl.SSLContext:
    import aiohttp  # noqa: F401 - here, because it takes a quarter of a second

    return tls_context(access)


def _verification(verify: bool | str) -> ssl.SSLContext | bool:
    if isinstance(verify, bool):
        return verify
    is_folder = os.path.isdir(verify)
    return ssl.create_default_context(cafile=None if is_folder else verify, capath=verify if is_folder else None)
