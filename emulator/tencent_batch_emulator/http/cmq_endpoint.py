# SPDX-License-Identifier: Apache-2.0
"""
The endpoint of the queue service's data plane, ``/v2/index.php``: signed forms in, codes in JSON out.

Errors travel with HTTP 200, a body is a form whatever its Content-Type says (the vendor's SDK sends none), and nothing
is read before the signature is verified. A long poll ends when its client has gone, so its message goes to another.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from tencent_batch_emulator.admin.request_log import OK
from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.rules import FaultPlan
from tencent_batch_emulator.http.exchange import BodyTooLarge, Exchange, Reply
from tencent_batch_emulator.http.request_faults import with_request_faults
from tencent_batch_emulator.http.signatures import DataPlaneRefusal, DataPlaneVerifier

SERVICE = "cmq"

MAX_BODY = 4 * 1024 * 1024
"""
Bytes of a request: a message of 1 MB, percent-encoded. The documented cap of 1 MB for a whole request would make the
documented answers to a message or a batch that is too large (4400, 4470) impossible.
"""

_MAX_FIELDS = 1000
_THROTTLED = ("4420", "(10250)qps throttling")

RECEIVING = frozenset({"ReceiveMessage", "BatchReceiveMessage"})
ACTIONS = RECEIVING | {
    "SendMessage",
    "BatchSendMessage",
    "DeleteMessage",
    "BatchDeleteMessage",
    "PublishMessage",
    "BatchPublishMessage",
    "QueryQueueRoute",
    "QueryTopicRoute",
}

_encode = msgspec.json.Encoder().encode


class DataPlane(Protocol):
    """What answers a request that is known to be genuine."""

    async def handle(self, params: dict[str, str], host: str) -> dict[str, Any]:
        """Return the whole answer but for ``requestId``; errors are answers, too."""
        ...


class CmqEndpoint:
    """
    Answer data-plane requests.

    :param service: Queues and topics.
    :param verifier: Knows who signed.
    :param plan: The faults.
    :param clock: The emulator's clock.
    """

    def __init__(
        self,
        service: DataPlane,
        verifier: DataPlaneVerifier,
        plan: FaultPlan,
        clock: Clock,
    ) -> None:
        self._service = service
        self._verifier = verifier
        self._plan = plan
        self._clock = clock
        self._request_ids = itertools.count(10_000_000_000)

    async def answer(self, exchange: Exchange) -> Reply:
        """Verify, dispatch and wrap up one request."""
        exchange.service = SERVICE
        exchange.request_id = str(next(self._request_ids))
        request = exchange.request
        host = request.headers.get("host", "")
        try:
            params = await self._read(exchange)
            action = params.get("Action", "")
            if action in ACTIONS:
                exchange.action = action
            key = self._verifier.verify(request.method, host, params)
        except DataPlaneRefusal as refusal:
            return _refuse(exchange, refusal.code, refusal.message)
        exchange.secret_id = key.secret_id
        queue, topic = params.get("queueName", ""), params.get("topicName", "")
        exchange.target = queue or topic

        async def act() -> Reply:
            return await self._act(exchange, params, host)

        traits = {"service": SERVICE, "action": exchange.action, "queue": queue, "topic": topic}
        faults = self._plan.for_request(traits)
        if not faults:
            return await act()
        return await with_request_faults(
            exchange, faults, self._clock, act, lambda code, text: _refuse(exchange, _number(code), text), _THROTTLED
        )

    async def _read(self, exchange: Exchange) -> dict[str, str]:
        request = exchange.request
        if request.method not in ("GET", "POST"):
            raise DataPlaneRefusal(4000, f"(10410)unexpected http {request.method} only GET or POST is supported")
        try:
            body = await request.body(MAX_BODY)
            text = request.query if request.method == "GET" else body.decode()
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        except (BodyTooLarge, ValueError):
            raise DataPlaneRefusal(4000, "(10420)cannot parse the request, or request size is more than 1MB") from None
        return dict(pairs)

    async def _act(self, exchange: Exchange, params: dict[str, str], host: str) -> Reply:
        work = self._service.handle(params, host)
        if params["Action"] in RECEIVING:
            answer = await exchange.request.while_connected(work)
        else:
            answer = await work
        code = answer["code"]
        exchange.code = OK if code == 0 else str(code)
        return Reply(_encode({**answer, "requestId": exchange.request_id}))


def _refuse(exchange: Exchange, code: int, message: str) -> Reply:
    exchange.code = str(code)
    return Reply(_encode({"code": code, "message": message, "requestId": exchange.request_id}))


def _number(code: str) -> int:
    """Return an ordered code as the data plane's number; 6000, its internal error, for one that is none."""
    return int(code) if re.fullmatch(r"[0-9]{1,9}", code) else 6000
