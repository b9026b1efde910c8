# SPDX-License-Identifier: Apache-2.0
"""
The emulator's own endpoints, ``/_emulator/...``: request log, counters, faults, clock.

They change what every client meets, so they ask for the emulator's key like everything else: HTTP basic (secret id and
secret key) or the secret key as a bearer token. A change must be JSON, which no foreign web page can make a browser
send without asking first. A request that cannot be read gets HTTP 400 and a sentence that says why. No endpoint ends
the process: use a signal.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tencent_batch_emulator.admin.request_log import RequestLog
from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.rules import FaultPlan, Rule, convert_fault
from tencent_batch_emulator.services.keys import Key

log = structlog.get_logger(__name__)

PREFIX = "/_emulator"

_MAX_BODY = 64 * 1024
_MAX_SHOWN = 10_000
_MAX_ADVANCE = 366 * 24 * 3600
# Timestamps that are ISO 8601 end with the year 9999.
_MAX_ADVANCED = 100 * _MAX_ADVANCE
# Bounded, because Python refuses to read numbers of thousands of digits.
_NUMBER = re.compile(r"[0-9]{1,9}")
_SHOWN = 100


class _ClockOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What may be sent to the clock."""

    advance: Annotated[float, msgspec.Meta(ge=0, le=_MAX_ADVANCE)]


Endpoint = Callable[[Request], Awaitable[Response]]


def is_owner(authorization: str, key: Key) -> bool:
    """
    Whether an ``Authorization`` header carries the emulator's key.

    :param authorization: ``Bearer <secret key>`` or ``Basic <base64 of id:key>``; may be empty.
    """
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        given, expected = credentials.strip().encode(), key.secret_key.encode()
    elif scheme.lower() == "basic":
        try:
            given = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        expected = f"{key.secret_id}:{key.secret_key}".encode()
    else:
        return False
    return hmac.compare_digest(given, expected)


def as_json(content: Any, status: int = 200) -> Response:
    """Make a JSON answer."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def ask_for_key() -> Response:
    """Make the answer to a request without the emulator's key."""
    response = as_json(
        {"error": "this needs the emulator's key: HTTP basic (secret id, secret key), or the secret key as bearer"},
        401,
    )
    response.headers["WWW-Authenticate"] = 'Basic realm="emulator"'
    return response


class AdminApi:
    """
    Answer the control endpoints.

    :param key: What they ask for.
    :param calls: The request log.
    :param plan: The faults.
    :param clock: The emulator's clock.
    """

    def __init__(self, key: Key, calls: RequestLog, plan: FaultPlan, clock: Clock) -> None:
        self._key = key
        self._calls = calls
        self._plan = plan
        self._clock = clock

    @property
    def routes(self) -> list[Route]:
        """Where the endpoints are."""
        return [
            Route(f"{PREFIX}/{path}", self._guarded(endpoint), methods=[method])
            for method, path, endpoint in (
                ("GET", "requests", self._requests),
                ("DELETE", "requests", self._clear_requests),
                ("GET", "counters", self._counters),
                ("GET", "faults", self._faults),
                ("POST", "faults", self._add_fault),
                ("DELETE", "faults", self._clear_faults),
                ("DELETE", "faults/{number}", self._remove_fault),
                ("GET", "clock", self._time),
                ("POST", "clock", self._advance),
            )
        ]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            if not is_owner(request.headers.get("authorization", ""), self._key):
                return ask_for_key()
            try:
                return await endpoint(request)
            except ValueError as error:
                return as_json({"error": str(error)}, 400)

        return answer

    async def _requests(self, request: Request) -> Response:
        query = request.query_params
        limit = min(_whole_number("limit", query.get("limit", "100")), _MAX_SHOWN)
        calls = self._calls.last(limit, action=query.get("action"), service=query.get("service"))
        return as_json({"requests": calls})

    async def _clear_requests(self, request: Request) -> Response:
        self._calls.clear()
        return as_json({})

    async def _counters(self, request: Request) -> Response:
        return as_json({"total": self._calls.count(), "counters": self._calls.counters})

    async def _faults(self, request: Request) -> Response:
        return as_json({"faults": [_shown(rule) for rule in self._plan.rules]})

    async def _add_fault(self, request: Request) -> Response:
        return as_json({"number": self._plan.add(convert_fault(await _read(request)))}, 201)

    async def _clear_faults(self, request: Request) -> Response:
        self._plan.clear()
        return as_json({})

    async def _remove_fault(self, request: Request) -> Response:
        number = _whole_number("the number of a fault", request.path_params["number"])
        try:
            self._plan.remove(number)
        except KeyError as error:
            return as_json({"error": error.args[0]}, 404)
        return as_json({})

    async def _time(self, request: Request) -> Response:
        return as_json({"time": self._clock.time(), "advanced": self._clock.advanced})

    async def _advance(self, request: Request) -> Response:
        order = await _read(request)
        try:
            seconds = msgspec.convert(order, _ClockOrder).advance
        except msgspec.ValidationError:
            raise ValueError(f'the order to the clock reads {{"advance": <seconds up to {_MAX_ADVANCE}>}}') from None
        if self._clock.advanced + seconds > _MAX_ADVANCED:
            raise ValueError(f"the clock cannot be advanced by more than {_MAX_ADVANCED} s altogether")
        self._clock.advance(seconds)
        return await self._time(request)


async def _read(request: Request) -> Any:
    """
    Return the JSON of a request.

    :raises ValueError: When it is none, or does not say so.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ValueError("send JSON, with Content-Type: application/json")
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                raise ValueError(f"the request is larger than {_MAX_BODY} bytes")
    except ClientDisconnect:
        raise ValueError("the client left while it was sending") from None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"this is not JSON that can be read: {error}") from None


def _whole_number(name: str, text: str) -> int:
    """
    Read a number from a path or a query.

    :raises ValueError: When it is none, or has more than nine digits.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} must be a number of at most nine digits, not {text[:_SHOWN]!r}")
    return int(text)


async def answer_failure(request: Request, error: Exception) -> Response:
    """Answer what nobody has expected; the traceback is for the log only."""
    log.error("a page or control request failed", path=request.url.path[:_SHOWN])
    return as_json({"error": "the emulator failed to answer this; see its log"}, 500)


def _shown(rule: Rule) -> dict[str, Any]:
    return {"number": rule.number, "fault": rule.fault, "used": rule.used, "left": rule.left}
