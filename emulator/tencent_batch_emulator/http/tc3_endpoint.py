# SPDX-License-Identifier: Apache-2.0
"""
The endpoint of the TC3 APIs: from a signed HTTP request to a service's action, and back into the cloud's envelope.

Every answer is ``{"Response": {...}}`` with HTTP 200, and nothing is read before the signature is verified. A
service is one entry in a registry; it knows nothing of HTTP, keys, rates or faults.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.rules import FaultPlan
from tencent_batch_emulator.http.exchange import BodyTooLarge, Exchange, Reply
from tencent_batch_emulator.http.rate_limits import RateLimiter
from tencent_batch_emulator.http.request_faults import with_request_faults
from tencent_batch_emulator.http.signatures import Tc3Verifier
from tencent_batch_emulator.services.base import ApiError, Caller, Handler, Params, Service

log = structlog.get_logger(__name__)

MAX_BODY = 10 * 1024 * 1024
MAX_QUERY = 32 * 1024
_MAX_DEPTH = 32

_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+){1,4}")
_INDEX = re.compile(r"[0-9]{1,9}")
_THROTTLED = ("RequestLimitExceeded", "Your current request times equals or exceeds the limit; please slow down.")
# What a request is about, for the log and for faults that match a queue or topic.
_QUEUE_FIELDS = ("QueueName", "SourceQueueName")
_OTHER_TARGETS = ("JobId", "EnvId", "TaskTemplateId")
_LISTS_OF_TARGETS = ("JobIds", "EnvIds", "TaskTemplateIds")

_encode = msgspec.json.Encoder().encode


class Tc3Endpoint:
    """
    Answer TC3 requests.

    :param services: The APIs that exist.
    :param verifier: Knows who signed.
    :param plan: The faults.
    :param limiter: The documented rates, if they are on.
    :param clock: The emulator's clock.
    """

    def __init__(
        self,
        services: Iterable[Service],
        verifier: Tc3Verifier,
        plan: FaultPlan,
        limiter: RateLimiter,
        clock: Clock,
    ) -> None:
        self.services = {service.name: service for service in services}
        self._verifier = verifier
        self._plan = plan
        self._limiter = limiter
        self._clock = clock

    async def answer(self, exchange: Exchange) -> Reply:
        """Verify, dispatch and wrap up one request."""
        exchange.request_id = str(uuid.uuid4())
        try:
            handler, params, caller = await self._accept(exchange)
        except ApiError as error:
            return _refuse(exchange, error.code, error.message)

        async def act() -> Reply:
            return await _call(exchange, handler, params, caller)

        queue = next((name for field in _QUEUE_FIELDS if (name := _text(params.get(field)))), "")
        topic = _text(params.get("TopicName"))
        exchange.target = queue or topic or _other_target(params)
        traits = {"service": exchange.service, "action": exchange.action, "queue": queue, "topic": topic}
        faults = self._plan.for_request(traits)
        if not self._limiter.admits_call(exchange.service, exchange.action, caller.region, caller.account):
            return _refuse(exchange, *_THROTTLED)
        if not faults:
            return await act()
        return await with_request_faults(
            exchange, faults, self._clock, act, lambda code, text: _refuse(exchange, code, text), _THROTTLED
        )

    async def _accept(self, exchange: Exchange) -> tuple[Handler, Params, Caller]:
        request, headers = exchange.request, exchange.request.headers
        if request.method not in ("GET", "POST"):
            raise ApiError("UnsupportedProtocol", f"{request.method} is not supported; use POST or GET.")
        if len(request.query) > MAX_QUERY:
            raise ApiError("RequestSizeLimitExceeded", f"A GET request may have {MAX_QUERY} bytes; use POST.")
        try:
            body = await request.body(MAX_BODY)
        except BodyTooLarge:
            raise ApiError("RequestSizeLimitExceeded", f"A request may have {MAX_BODY} bytes.") from None
        signed = self._verifier.verify(request.method, request.query, headers, body)
        exchange.secret_id = signed.key.secret_id
        handler = self._find(exchange, signed.service)
        region = headers.get("x-tc-region", "")
        if not region:
            raise ApiError("MissingParameter", "The request is missing a required parameter: the header X-TC-Region.")
        if not _REGION.fullmatch(region):
            raise ApiError("UnsupportedRegion", f"The region {region!r} is not supported.")
        params = _flat_params(request.query) if request.method == "GET" else _json_params(headers, body)
        return handler, params, Caller(signed.key.secret_id, signed.key.account, region)

    def _find(self, exchange: Exchange, name: str) -> Handler:
        headers = exchange.request.headers
        action, version = headers.get("x-tc-action", ""), headers.get("x-tc-version", "")
        service = self.services.get(name) or self._service_of(action, version)
        if service is None:
            raise ApiError(
                "NoSuchProduct",
                f"There is no service {name!r} here, and none with the action {action[:128]!r} and the version "
                f"{version[:128]!r}; there are {', '.join(sorted(self.services))}.",
            )
        exchange.service = name = service.name
        for header, value in (("X-TC-Action", action), ("X-TC-Version", version)):
            if not value:
                raise ApiError("MissingParameter", f"The request is missing a required parameter: the header {header}.")
        if version != service.version:
            raise ApiError("NoSuchVersion", f"The service {name} has no version {version!r}; it has {service.version}.")
        handler = service.actions.get(action)
        if handler is None:
            raise ApiError("InvalidAction", f"The service {name} {version} has no action {action!r}.")
        exchange.action = action
        return handler

    def _service_of(self, action: str, version: str) -> Service | None:
        """Return the service that has an action, for clients whose scope names the host that they called instead."""
        for service in self.services.values():
            if version == service.version and action in service.actions:
                return service
        return None


async def _call(exchange: Exchange, handler: Handler, params: Params, caller: Caller) -> Reply:
    try:
        result = await handler(params, caller)
    except ApiError as error:
        return _refuse(exchange, error.code, error.message)
    except Exception:
        # The cloud's answer to its own mistakes; they must neither reach the client nor stop the server.
        log.exception("action failed", action=exchange.action, request_id=exchange.request_id)
        return _refuse(exchange, "InternalError", "An internal error occurred; see the emulator's log.")
    if not exchange.target:
        # What a creation was about is known only now.
        exchange.target = _other_target(result)
    return Reply(_encode({"Response": {**result, "RequestId": exchange.request_id}}))


def _refuse(exchange: Exchange, code: str, message: str) -> Reply:
    exchange.code = code
    error = {"Code": code, "Message": message}
    return Reply(_encode({"Response": {"Error": error, "RequestId": exchange.request_id}}))


def _json_params(headers: dict[str, str], body: bytes) -> Params:
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise ApiError("InvalidRequest", f"The Content-Type of a POST is application/json, not {content_type!r}.")
    if not body.strip():
        return {}
    try:
        params = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError("InvalidParameter", "The request's body is not valid JSON.") from None
    if not isinstance(params, dict):
        raise ApiError("InvalidParameter", "The request's body is not a JSON object.")
    return params


def _flat_params(query: str) -> Params:
    """Unfold ``Filters.0.Values.1=x``; all values stay text, as they came."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except ValueError:
        raise ApiError("InvalidParameter", "The query string cannot be read.") from None
    tree: dict[str, Any] = {}
    for name, value in pairs:
        *path, last = name.split(".")
        if len(path) > _MAX_DEPTH:
            raise ApiError("InvalidParameter", f"The parameter {name[:64]}... is nested too deeply.")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ApiError("InvalidParameter", f"The parameter {name} contradicts another one.")
        if isinstance(node.get(last), dict):
            raise ApiError("InvalidParameter", f"The parameter {name} contradicts another one.")
        node[last] = value
    return {name: _with_lists(value) for name, value in tree.items()}


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if all(_INDEX.fullmatch(name) for name in node):
        return [_with_lists(node[name]) for name in sorted(node, key=int)]
    return {name: _with_lists(value) for name, value in node.items()}


def _other_target(fields: Params) -> str:
    """Return the job or environment that a request or an answer names, or all of them."""
    if name := next((name for field in _OTHER_TARGETS if (name := _text(fields.get(field)))), ""):
        return name
    for field in _LISTS_OF_TARGETS:
        if isinstance(names := fields.get(field), list):
            # More than the API takes are refused, and not worth a long text.
            return ", ".join(_text(name) for name in names[:100])
    return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
