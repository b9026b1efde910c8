# SPDX-License-Identifier: Apache-2.0
"""
Send requests to the TC3 APIs (Batch, TDMQ, STS) through the vendor's SDK, blocking or not.

A request is a value that ``batch.py`` or ``tdmq.py`` builds; the two clients here differ only in how they send it.
Whatever goes wrong leaves as one of our exceptions. A write whose effect is unknown is never repeated unless the
request says that a repeat does no harm.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

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
    CloudError,
    ConfigurationError,
    TransportError,
)
from airflow_batch_events.protocol.credentials import CloudAccess
from airflow_batch_events.protocol.renewal import CORRECTIONS, Holder
from airflow_batch_events.protocol.request import Request, Service
from airflow_batch_events.protocol.retry import RetryPolicy
from airflow_batch_events.protocol.servertime import ServerTime
from airflow_batch_events.protocol.transport import check_bundle, open_http_client

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

# The SDK is imported where it is first needed, off the event loop: it takes a third of a second.


class SdkClient:
    """
    Send requests and block until they are answered; for one thread.

    :param access: Key, region and addresses; the key is renewed where the access can be.
    :param timeout: Seconds for a connection, and seconds without a byte, after which a call is given up.
    :param retry: Which failed calls are made again.
    :param on_date: Called with the Unix seconds of every answer's ``Date`` header.
    :param sleep: Waits between repeats.
    :param server_time: The time to sign with; by default this machine's, corrected by the cloud's answers.
    """

    def __init__(
        self,
        access: CloudAccess,
        *,
        timeout: float = 15.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        on_date: Callable[[float], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        server_time: ServerTime | None = None,
    ) -> None:
        self._holder = Holder(access)
        self._timeout = timeout
        self._retry = retry
        self._sleep = sleep
        self._time = server_time or ServerTime(on_date)
        self._products: dict[Service, Any] = {}

    @property
    def access(self) -> CloudAccess:
        """What requests are signed with at present."""
        return self._holder.access

    def __enter__(self) -> SdkClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        products, self._products = self._products, {}
        for product in products.values():
            product.close()

    def send(self, request: Request[T]) -> T:
        """
        Make the call.

        :return: What the request's parser makes of the answer.
        :raises ApiError: The subclass for the error code.
        :raises TransportError: When there is no usable answer.
        :raises ConfigurationError: When the CA bundle cannot be read, or a parameter cannot be written as JSON.
        """
        _check_params(request)
        response = self._retry.call(lambda: self._try(request), repeatable=request.repeatable, sleep=self._sleep)
        return _parse(request, response)

    def _try(self, request: Request[T]) -> dict[str, Any]:
        for _ in range(CORRECTIONS):
            access, signed_at = self._holder.refresh(), self._time.now()
            try:
                return self._call(request)
            except ApiCredentialsError as error:
                # A refusal that tells that this machine's clock is off is worth one more try with the cloud's time,
                # and one of a key that has been exchanged meanwhile is worth one with the present key.
                if not self._time.would_differ(signed_at) and not self._holder.exchange(access, error):
                    raise
        return self._call(request)

    def _call(self, request: Request[T]) -> dict[str, Any]:
        from airflow_batch_events.protocol import vendor

        product = self._products.get(request.service)
        if product is None:
            check_bundle(self.access)
            product = vendor.sync_client(request.service, self.access, self._timeout, self._time)
            self._products[request.service] = product
        vendor.sign_as(product, self.access.key)
        try:
            answer = product.call_json(request.action, request.params)
        except (*vendor.FAILURES, TransportError) as error:
            raise _explain(request, error, self.access) from error
        return _unwrap(request, answer, self.access)


class AsyncSdkClient:
    """
    Send requests without blocking the event loop; any number at once.

    The parameters are those of :class:`SdkClient`.
    """

    def __init__(
        self,
        access: CloudAccess,
        *,
        timeout: float = 15.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        on_date: Callable[[float], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        server_time: ServerTime | None = None,
    ) -> None:
        self._holder = Holder(access)
        self._timeout = timeout
        self._retry = retry
        self._sleep = sleep
        self._time = server_time or ServerTime(on_date)
        self._opening = asyncio.Lock()
        self._http: httpx.AsyncClient | None = None
        self._products: dict[Service, Any] = {}

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
        http, self._http = self._http, None
        self._products = {}
        if http is not None:
            await http.aclose()

    async def send(self, request: Request[T]) -> T:
        """
        Make the call.

        :return: What the request's parser makes of the answer.
        :raises ApiError: The subclass for the error code.
        :raises TransportError: When there is no usable answer.
        :raises ConfigurationError: When the CA bundle cannot be read, or a parameter cannot be written as JSON.
        """
        _check_params(request)

        async def once() -> dict[str, Any]:
            return await self._try(request)

        response = await self._retry.acall(once, repeatable=request.repeatable, sleep=self._sleep)
        return _parse(request, response)

    async def _try(self, request: Request[T]) -> dict[str, Any]:
        for _ in range(CORRECTIONS):
            access, signed_at = await self._holder.arefresh(), self._time.now()
            try:
                return await self._call(request)
            except ApiCredentialsError as error:
                if not self._time.would_differ(signed_at) and not await self._holder.aexchange(access, error):
                    raise
        return await self._call(request)

    async def _call(self, request: Request[T]) -> dict[str, Any]:
        product = await self._open(request.service)

        import httpx

        from airflow_batch_events.protocol import vendor

        # The SDK signs before it waits for anything, so calls with an older key are not touched.
        vendor.sign_as(product, self.access.key)
        try:
            answer = await product.call_and_deserialize(request.action, request.params, dict)
        except (*vendor.FAILURES, TransportError, httpx.HTTPError) as error:
            raise _explain(request, error, self.access) from error
        return _unwrap(request, answer, self.access)

    async def _open(self, service: Service) -> Any:
        async with self._opening:
            if self._http is None:
                self._http = await open_http_client(self.access, timeout=self._timeout, on_response=self._on_response)
            if service not in self._products:
                self._products[service] = await asyncio.to_thread(
                    _async_product, service, self.access, self._http, self._time
                )
            return self._products[service]

    async def _on_response(self, response: httpx.Response) -> None:
        self._time.learn(response.headers.get("Date"))
        if response.status_code != 200:
            raise TransportError(f"HTTP {response.status_code}")


def _async_product(service: Service, access: CloudAccess, http: httpx.AsyncClient, server_time: ServerTime) -> Any:
    from airflow_batch_events.protocol import vendor

    return vendor.async_client(service, access, http, server_time)


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

_NO_ANSWER_CODES = ("ClientNetworkError", "ServerNetworkError")
"""Codes that the SDK makes up when there is no answer."""


def api_error(action: str, code: str, message: str, request_id: str | None = None) -> ApiError:
    """Return the exception for an error code: the class goes by the code's first word."""
    family = code.partition(".")[0]
    kind = _ERRORS.get(family)
    if kind is None:
        kind = ApiParameterError if family.startswith("Invalid") else ApiError
    return kind(action, code, message, request_id)


def _explain(request: Request[T], error: Exception, access: CloudAccess) -> CloudError:
    code = getattr(error, "code", None)
    if isinstance(code, str) and code not in _NO_ANSWER_CODES:
        return api_error(
            request.action, code, str(getattr(error, "message", "")), getattr(error, "requestId", None) or None
        )
    reason = getattr(error, "message", None) or str(error) or type(error).__name__
    if isinstance(error, LookupError | TypeError | ValueError):
        reason = f"something that is not understood ({type(error).__name__}: {error})"
    return TransportError(f"{request.action}: no usable answer from {_endpoint(request, access)}: {reason}")


def _unwrap(request: Request[T], answer: Any, access: CloudAccess) -> dict[str, Any]:
    response = answer.get("Response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise TransportError(f"{request.action}: the answer from {_endpoint(request, access)} has no Response")
    # The SDK looks for errors only under two exact Content-Types; under any other it passes them as results.
    error = response.get("Error")
    if isinstance(error, dict):
        raise api_error(request.action, str(error.get("Code")), str(error.get("Message")), response.get("RequestId"))
    return response


def _parse(request: Request[T], response: dict[str, Any]) -> T:
    try:
        return request.parse(response)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise TransportError(
            f"{request.action}: the answer is not understood ({type(error).__name__}: {error})"
        ) from error


def _check_params(request: Request[T]) -> None:
    try:
        json.dumps(request.params)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{request.action}: the parameters cannot be written as JSON: {error}") from error


def _endpoint(request: Request[T], access: CloudAccess) -> str:
    configured = {
        "batch": access.batch_endpoint,
        "tdmq": access.tdmq_endpoint,
        "sts": access.sts_endpoint,
    }[request.service]
    return configured or f"{request.service}.tencentcloudapi.com"
