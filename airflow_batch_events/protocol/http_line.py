# SPDX-License-Identifier: Apache-2.0
"""
One address of an API over httpx: a request out, a whole answer in, within a bound of time and of bytes.

It uses httpx's transport without its client, which does things unasked (redirects, cookies, ``.netrc``, the
environment, log lines with URLs). Import this module late and off the event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from airflow_batch_events.exceptions import CallTimeoutError, ConfigurationError, TransportError
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.credentials.proxy import Proxy, proxy_for
from airflow_batch_events.protocol.reasons import reason_of
from airflow_batch_events.protocol.time_limit import within
from airflow_batch_events.protocol.transport import CONNECT_TIMEOUT, KEEP_ALIVE, warn_if_readable

MAX_ANSWER = 16 * 2**20
"""Bytes of an answer, unpacked: the largest that there are (a hundred jobs, ten outputs) stay below one megabyte."""


@dataclass(frozen=True)
class HttpAnswer:
    """
    What an address has answered.

    :param status: The HTTP status.
    :param date: The ``Date`` header.
    :param content: The body; read only where the status is 200.
    """

    status: int
    date: str | None
    content: bytes = field(default=b"", repr=False)


class HttpLine:
    """
    The way to one address; for one event loop.

    :param access: Which proxy to use.
    :param endpoint: The address.
    :param context: How to check certificates.
    :raises ConfigurationError: When the proxy cannot be read or used.
    """

    def __init__(self, access: CloudAccess, endpoint: str, context: ssl.SSLContext) -> None:
        warn_if_readable(access, endpoint)
        proxy = proxy_for(access.source, access.proxy, endpoint)
        self.where = endpoint if proxy is None else f"{endpoint} through the proxy {proxy.address}"
        is_unknown = False
        try:
            self._transport = httpx.AsyncHTTPTransport(
                verify=context,
                trust_env=False,
                # Calls of many waits go at once, and none must queue behind a slow one.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=KEEP_ALIVE),
                proxy=None if proxy is None else _httpx_proxy(proxy, context),
            )
        except (ImportError, ValueError):
            is_unknown = True
        if is_unknown:
            raise ConfigurationError(f"{access.source}: a socks5:// or socks5h:// proxy needs httpx[socks]")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def exchange(self, action: str, request: httpx.Request, timeout: float) -> HttpAnswer:
        """
        Send a request and read its answer.

        :param action: What is called, for messages.
        :param request: The request, signed.
        :param timeout: Seconds for all of it, from connecting to the last byte.
        :raises CallTimeoutError: When it took longer.
        :raises TransportError: When there is no whole answer.
        """
        request.extensions["timeout"] = {"connect": CONNECT_TIMEOUT}
        told = f"{action}: no usable answer from {self.where}"
        failure: TransportError
        try:
            return await within(timeout, self._exchange(told, request))
        except asyncio.TimeoutError:
            failure = CallTimeoutError(f"{told}: timed out after {timeout:g} s")
        except TransportError:
            raise
        # Whatever the library raises: its text must not leave.
        except Exception as error:  # noqa: BLE001
            failure = TransportError(f"{told}: {reason_of(error)}")
        raise failure

    async def _exchange(self, told: str, request: httpx.Request) -> HttpAnswer:
        response = await self._transport.handle_async_request(request)
        try:
            date = response.headers.get("Date")
            if response.status_code != HTTPStatus.OK:
                return HttpAnswer(response.status_code, date)
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MAX_ANSWER:
                    raise TransportError(f"{told}: it is longer than {MAX_ANSWER} bytes")
        finally:
            await response.aclose()
        return HttpAnswer(response.status_code, date, bytes(content))


def _httpx_proxy(proxy: Proxy, context: ssl.SSLContext) -> httpx.Proxy:
    return httpx.Proxy(
        proxy.url,
        auth=None if proxy.user is None else (proxy.user, proxy.password),
        ssl_context=context if proxy.scheme == "https" else None,
    )
