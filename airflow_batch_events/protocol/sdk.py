# SPDX-License-Identifier: Apache-2.0
"""
Send requests to the TC3 APIs (Batch, TDMQ, STS), blocking or not.

A request is a value that ``batch.py``, ``tdmq.py`` or ``sts.py`` builds. :class:`AsyncSdkClient` sends it;
:class:`SdkClient` runs one of these for code that blocks. Whatever goes wrong leaves as one of our exceptions. A
write whose effect is unknown is never repeated unless the request says that a repeat does no harm.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiError,
    ApiInUseError,
    ApiNotFoundError,
    ApiParameterError,
    ApiQuotaError,
    ApiRefusedError,
    ApiServerError,
    ApiThrottledError,
    CallTimeoutError,
    ConfigurationError,
    TransportError,
)
from airflow_batch_events.protocol.apis.request import Request, Service
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.credentials.credential_holder import CredentialHolder
from airflow_batch_events.protocol.loop_thread import LoopThread
from airflow_batch_events.protocol.reasons import status_reason
from airflow_batch_events.protocol.retry import RetryPolicy

if TYPE_CHECKING:
    from airflow_batch_events.protocol.http_line import HttpLine
    from airflow_batch_events.protocol.sdk_adapter import Signer

T = TypeVar("T")

MAX_STRETCH = 4
"""How many times its timeout a call gets at the most, where the API answers rightly but slowly."""

MAX_TEXT = 2000
"""Characters of an API's own text that an exception repeats."""

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading an answer raises that is not as documented."""


class _Line(NamedTuple):
    signer: Signer
    http: HttpLine


class AsyncSdkClient:
    """
    Send requests without blocking the event loop; any number at once.

    :param access: Key, region and addresses; the key is renewed where the access can be.
    :param timeout: Seconds for the whole of a call, from connecting to the last byte. After a call that took longer
        the next ones get twice as long, up to four times, until one is answered within the timeout; a call that must
        not be repeated gets four times as long from the start.
    :param retry: Which failed calls are made again.
    :param sleep: Waits between repeats.
    :param clock: The cloud's time, to sign with; learns from every answer.
    """

    def __init__(
        self,
        access: CloudAccess,
        *,
        timeout: float = 15.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: CloudClock | None = None,
    ) -> None:
        self.clock = clock or CloudClock()
        self._holder = CredentialHolder(access)
        self._timeout = timeout
        self._stretch = 1
        self._retry = retry
        self._sleep = sleep
        self._opening = asyncio.Lock()
        self._context: ssl.SSLContext | None = None
        self._lines: dict[Service, _Line] = {}

    @property
    def access(self) -> CloudAccess:
        """What requests are signed with at present."""
        return self._holder.access

    async def __aenter__(self) -> AsyncSdkClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        for line in self._forget().values():
            await line.http.aclose()

    async def send(self, request: Request[T], *, timeout: float | None = None, retry: RetryPolicy | None = None) -> T:
        """
        Make the call.

        :param request: The call.
        :param timeout: Seconds for the whole of each try, instead of the client's.
        :param retry: Which failed calls are made again, instead of the client's.
        :return: What the request's parser makes of the answer.
        :raises ApiError: The subclass for the error code.
        :raises CallTimeoutError: When the whole answer had not come in that time.
        :raises TransportError: When there is no usable answer.
        :raises ConfigurationError: When the CA bundle cannot be read, or a parameter cannot be written as JSON.
        """
        _check_params(request)

        async def once() -> T:
            return await self._holder.signed(self.clock, lambda: self._call(request, timeout))

        return await (retry or self._retry).acall(once, repeatable=request.repeatable, sleep=self._sleep)

    async def _call(self, request: Request[T], timeout: float | None) -> T:
        line = await self._open(request.service)
        signed = line.signer.sign(request.action, request.params, self.access.key, self.clock.signing_time())
        # Where no later call can make up for one that was given up too early, it gets the most at once.
        stretch = self._stretch if request.repeatable else MAX_STRETCH
        bound, began = timeout or self._timeout * stretch, time.monotonic()
        try:
            answer = await line.http.exchange(request.action, signed, bound)
        except CallTimeoutError:
            self._stretch = min(self._stretch * 2, MAX_STRETCH)
            raise
        if time.monotonic() - began < self._timeout:
            self._stretch = 1
        is_good = False
        try:
            if answer.status != HTTPStatus.OK:
                reason = status_reason(answer.status)
                raise TransportError(f"{request.action}: no usable answer from {line.http.where}: {reason}")
            value = _read(request, answer.content)
            is_good = True
        finally:
            self.clock.learn(answer.date, is_good=is_good)
        return value

    async def _open(self, service: Service) -> _Line:
        async with self._opening:
            if service not in self._lines:
                self._lines[service] = await asyncio.to_thread(self._make, service)
            return self._lines[service]

    def _make(self, service: Service) -> _Line:
        # Imported here, off the event loop: the SDK and httpx take a fifth of a second.
        from airflow_batch_events.protocol import sdk_adapter, transport
        from airflow_batch_events.protocol.http_line import HttpLine

        access, endpoint = self.access, _endpoint(service, self.access)
        self._context = self._context or transport.tls_context(access)
        return _Line(sdk_adapter.Signer(service, endpoint, access.region), HttpLine(access, endpoint, self._context))

    def _forget(self) -> dict[Service, _Line]:
        """Begin anew, for another event loop; return what has to be closed in the present one."""
        lines, self._lines = self._lines, {}
        self._opening, self._context = asyncio.Lock(), None
        return lines


class SdkClient:
    """
    Send requests and block until they are answered; for one thread, which may run an event loop.

    Runs an :class:`AsyncSdkClient` in its own thread, so that there is one way to talk to the APIs. The thread
    ends with :meth:`close`, with the last reference to the client, or with the interpreter. The parameters are those
    of :class:`AsyncSdkClient`.
    """

    def __init__(
        self,
        access: CloudAccess,
        *,
        timeout: float = 15.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: CloudClock | None = None,
    ) -> None:
        self._client = AsyncSdkClient(access, timeout=timeout, retry=retry, sleep=sleep, clock=clock)
        self._thread = LoopThread(self._client.aclose, self._client._forget)

    @property
    def access(self) -> CloudAccess:
        """What requests are signed with at present."""
        return self._client.access

    @property
    def clock(self) -> CloudClock:
        """The cloud's time."""
        return self._client.clock

    def __enter__(self) -> SdkClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._thread.close()

    def send(self, request: Request[T], *, timeout: float | None = None, retry: RetryPolicy | None = None) -> T:
        """
        Make the call; the parameters and errors are those of :meth:`AsyncSdkClient.send`.

        An exception that a signal handler raises meanwhile (Airflow's time-out of a task) cancels the call, also
        between two tries.
        """
        return self._thread.run(lambda: self._client.send(request, timeout=timeout, retry=retry))


_ERRORS: dict[str, type[ApiError]] = {
    "AuthFailure": ApiCredentialsError,
    "UnauthorizedOperation": ApiCredentialsError,
    "IpInBlacklist": ApiCredentialsError,
    "IpNotInWhitelist": ApiCredentialsError,
    "RequestLimitExceeded": ApiThrottledError,
    "LimitExceeded": ApiQuotaError,
    "ResourceNotFound": ApiNotFoundError,
    "ResourceInUse": ApiInUseError,
    "ResourceInsufficient": ApiRefusedError,
    "ResourceUnavailable": ApiRefusedError,
    "UnsupportedOperation": ApiRefusedError,
    "MissingParameter": ApiParameterError,
    "UnknownParameter": ApiParameterError,
    "AllowedOneAttributeInEnvIdAndComputeEnv": ApiParameterError,
    "ActionOffline": ApiParameterError,
    "NoSuchProduct": ApiParameterError,
    "NoSuchVersion": ApiParameterError,
    "UnsupportedProtocol": ApiParameterError,
    "UnsupportedRegion": ApiParameterError,
    "RequestSizeLimitExceeded": ApiParameterError,
    "InternalError": ApiServerError,
    "FailedOperation": ApiServerError,
    "ServiceUnavailable": ApiServerError,
}


def api_error(action: str, code: str, message: str, request_id: str | None = None) -> ApiError:
    """Return the exception for an error code: the class goes by the code's first word."""
    family = code.partition(".")[0]
    kind = _ERRORS.get(family)
    if kind is None:
        kind = ApiParameterError if family.startswith("Invalid") else ApiError
    return kind(action, code, message, request_id)


def _read(request: Request[T], content: bytes) -> T:
    failure: TransportError
    try:
        response = json.loads(content)["Response"]
        error = response.get("Error")
        if error is None:
            return request.parse(response)
        code, message = error["Code"], error.get("Message")
        if isinstance(code, str):
            request_id = response.get("RequestId")
            raise api_error(
                request.action,
                code[:MAX_TEXT],
                str(message)[:MAX_TEXT],
                None if request_id is None else str(request_id)[:MAX_TEXT],
            )
        failure = TransportError(f"{request.action}: the answer is not understood (an error without a code)")
    except _UNREADABLE as error:
        # Not its text, which quotes the answer, and an answer may hold keys; a field's name is no secret.
        field = f" {error.args[0]!r}" if isinstance(error, KeyError) and isinstance(error.args[0], str) else ""
        failure = TransportError(f"{request.action}: the answer is not understood ({type(error).__name__}{field})")
    raise failure


def _check_params(request: Request[T]) -> None:
    reason = None
    try:
        json.dumps(request.params, allow_nan=False)
    except (TypeError, ValueError) as error:
        reason = str(error)
    except RecursionError:
        reason = "they are nested too deeply"
    if reason is not None:
        raise ConfigurationError(f"{request.action}: the parameters cannot be written as JSON: {reason}")


def _endpoint(service: Service, access: CloudAccess) -> str:
    configured = {"batch": access.batch_endpoint, "tdmq": access.tdmq_endpoint, "sts": access.sts_endpoint}[service]
    return configured or f"https://{service}.tencentcloudapi.com"
