# SPDX-License-Identifier: Apache-2.0
"""
How the queue service's data plane (``/v2/index.php``) is spoken: signed forms out, answers in, codes to exceptions.

Pure. Values are signed raw and sent percent-encoded; names are sorted by byte before ``_`` becomes ``.``. The signature
covers every parameter, a body that begins with ``@`` included (the vendor's Python SDK leaves such out, its Java SDK
does not), and the host as it stands in the address, port included.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec

from airflow_batch_events.exceptions import (
    CmqBeingReleasedError,
    CmqCredentialsError,
    CmqError,
    CmqNoSubscriberError,
    CmqOverdueError,
    CmqParameterError,
    CmqQueueFullError,
    CmqQueueNotFoundError,
    CmqServerError,
    CmqStaleHandleError,
    CmqThrottledError,
    CmqTooLargeError,
    CmqTooManyUnackedError,
    CmqTopicNotFoundError,
)
from airflow_batch_events.times import MAX_UNIX, parse_unix_seconds

SignatureMethod = Literal["HmacSHA1", "HmacSHA256"]

PATH = "/v2/index.php"
FORM = "application/x-www-form-urlencoded"

OK = 0
NO_MESSAGE = 7000
STALE_HANDLE = 4430
BAD_HANDLE = 10470
"""The number in the text of a 4000 that is about the form of a receipt handle."""
PARTLY_DELETED = 6010
NOTHING_DELETED = 6020

_DIGESTS: Mapping[SignatureMethod, str] = {"HmacSHA1": "sha1", "HmacSHA256": "sha256"}


_Identifier = Annotated[str, msgspec.Meta(min_length=1)]
_Time = Annotated[float, msgspec.Meta(ge=0, le=MAX_UNIX)]


class Message(
    msgspec.Struct,
    frozen=True,
    rename={
        "body": "msgBody",
        "message_id": "msgId",
        "receipt_handle": "receiptHandle",
        "enqueue_time": "enqueueTime",
        "next_visible_time": "nextVisibleTime",
        "dequeue_count": "dequeueCount",
    },
):
    """
    A received message.

    :param body: The body as it was sent.
    :param message_id: The queue's own id of the message.
    :param receipt_handle: What deletes it, until ``next_visible_time`` and until the next receive of this message.
    :param enqueue_time: Unix seconds at which it arrived in the queue.
    :param next_visible_time: Unix seconds at which it can be received again.
    :param dequeue_count: How often it was received; the vendor reserves this field, so decide nothing by it.
    """

    body: str
    message_id: _Identifier
    receipt_handle: _Identifier
    enqueue_time: _Time
    next_visible_time: float = 0.0
    dequeue_count: int | None = 0


class DeleteFailure(msgspec.Struct, frozen=True, rename={"receipt_handle": "receiptHandle"}):
    """
    A message that was not deleted and will come again, or had been deleted already.

    :param receipt_handle: The handle that was refused.
    :param code: 4430 for a handle that is unknown, used or too old.
    :param message: The service's own text.
    """

    receipt_handle: str
    code: int
    message: str = ""


class SentMessage(msgspec.Struct, frozen=True, rename={"message_id": "msgId"}):
    """One entry of a batch answer."""

    message_id: str


class Answer(
    msgspec.Struct,
    frozen=True,
    rename={
        "request_id": "requestId",
        "message_id": "msgId",
        "sent": "msgList",
        "messages": "msgInfoList",
        "failures": "errorList",
    },
):
    """What the service answers; each action fills its own fields, and ``unreadable`` counts left-out messages."""

    code: int
    message: str = ""
    request_id: str | int | None = None
    message_id: str = ""
    sent: list[SentMessage] | None = None
    messages: list[Message] | None = None
    failures: list[DeleteFailure] | None = None
    unreadable: int = 0


# Numbers may come as strings; anything else that is not as documented is an error.
_decoder = msgspec.json.Decoder(Answer, strict=False)

_MAX_DIGITS = 40


def parse_answer(content: bytes) -> Answer:
    """
    Read an answer.

    One message that is not as documented must not hide the others of its batch indefinitely: what is wrong with it is
    left out where it is not needed, and else the message is.

    :raises ValueError: When it is not one, whatever is wrong with it.
    """
    try:
        try:
            return _decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeError):
            return _read_by_entries(json.loads(content.decode(errors="replace"), parse_int=_whole))
    except (RecursionError, MemoryError):
        pass
    except msgspec.MsgspecError as error:
        # It is a ValueError only from msgspec 0.21 on.
        raise ValueError(str(error)) from error
    raise ValueError("the answer is nested too deeply")


def _read_by_entries(answer: Any) -> Answer:
    if not isinstance(answer, dict):
        raise ValueError(f"the answer is a {type(answer).__name__}")
    entries = answer.pop("msgInfoList", None)
    failures = answer.pop("errorList", None)
    answer.pop("unreadable", None)
    read = msgspec.convert(answer, Answer, strict=False)
    if isinstance(entries, list):
        messages = [message for message in map(_read_message, entries) if message is not None]
        read = msgspec.structs.replace(read, messages=messages, unreadable=len(entries) - len(messages))
    if isinstance(failures, list):
        read = msgspec.structs.replace(
            read, failures=[failure for failure in map(_read_failure, failures) if failure is not None]
        )
    return read


def _read_message(entry: Any) -> Message | None:
    if not isinstance(entry, dict):
        return None
    body, identifiers = entry.get("msgBody"), [_identifier(entry.get(name)) for name in ("msgId", "receiptHandle")]
    enqueued = parse_unix_seconds(entry.get("enqueueTime"))
    if not isinstance(body, str) or not all(identifiers) or enqueued is None:
        return None
    count = entry.get("dequeueCount")
    return Message(
        body=body,
        message_id=identifiers[0],
        receipt_handle=identifiers[1],
        enqueue_time=enqueued,
        next_visible_time=parse_unix_seconds(entry.get("nextVisibleTime")) or 0.0,
        dequeue_count=count if type(count) is int and abs(count) < 2**63 else None,
    )


def _read_failure(entry: Any) -> DeleteFailure | None:
    try:
        return msgspec.convert(entry, DeleteFailure, strict=False)
    except msgspec.MsgspecError:
        return None


def _identifier(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _whole(digits: str) -> int | float:
    # Python refuses to read thousands of digits, and no id or time has so many.
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def source_string(method: str, host: str, params: Mapping[str, str]) -> str:
    """Return what is signed."""
    request = "&".join(f"{name.replace('_', '.')}={params[name]}" for name in sorted(params))
    return f"{method}{host}{PATH}?{request}"


def sign(secret_key: str, source: str, method: SignatureMethod) -> str:
    """Return the value of ``Signature``."""
    return base64.b64encode(hmac.digest(secret_key.encode(), source.encode(), _DIGESTS[method])).decode()


def signed_form(host: str, params: Mapping[str, str], secret_key: str, method: SignatureMethod) -> bytes:
    """
    Return the body of a signed POST.

    :param host: Host of the address, with the port if it has one.
    :param params: Every parameter but ``Signature``.
    :param secret_key: SecretKey of the key that ``params`` names.
    :param method: What ``params`` names as ``SignatureMethod``.
    """
    signature = sign(secret_key, source_string("POST", host, params), method)
    return urlencode({**params, "Signature": signature}).encode()


def numbered(name: str, values: Sequence[str]) -> dict[str, str]:
    """Return ``values`` as the parameters ``name.1``, ``name.2`` and so on."""
    return {f"{name}.{number}": value for number, value in enumerate(values, 1)}


_ERRORS: Mapping[int, type[CmqError]] = {
    4000: CmqParameterError,
    4100: CmqCredentialsError,
    4300: CmqOverdueError,
    4400: CmqTooLargeError,
    4410: CmqQueueFullError,
    4420: CmqThrottledError,
    4430: CmqStaleHandleError,
    4470: CmqTooLargeError,
    4480: CmqThrottledError,
    6000: CmqServerError,
    6030: CmqNoSubscriberError,
    6070: CmqTooManyUnackedError,
}

# The service reports some causes under more than one outer code, and several causes under one.
_ERRORS_BY_MODULE: Mapping[tuple[int, int], type[CmqError]] = {
    (4000, 10100): CmqQueueNotFoundError,
    (4440, 10100): CmqQueueNotFoundError,
    (4000, 10600): CmqTopicNotFoundError,
    (4440, 10600): CmqTopicNotFoundError,
    (4000, 10440): CmqCredentialsError,
    (4000, 10450): CmqCredentialsError,
    (4000, 10461): CmqCredentialsError,
    (6040, 10660): CmqBeingReleasedError,
}

_MODULE = re.compile(r"\s*(?:\d{1,9}\s*)?\((\d{1,9})\)\s*")

_MAX_TEXT = 2000
"""Characters of the service's own text that an exception repeats."""


def error_of(action: str, name: str, answer: Answer) -> CmqError:
    """
    Return the exception for an answer that is an error.

    :param action: The action that was called.
    :param name: The queue or topic that it named.
    :param answer: The answer, of any code.
    """
    head = _MODULE.match(answer.message)
    module = int(head[1]) if head else None
    text = (answer.message[head.end() :] if head else answer.message)[:_MAX_TEXT]
    kind = _ERRORS_BY_MODULE.get((answer.code, module)) if module is not None else None
    if kind is None and answer.code == 4440:
        kind = CmqTopicNotFoundError if action.endswith("PublishMessage") else CmqQueueNotFoundError
    kind = kind or _ERRORS.get(answer.code, CmqError)
    request_id = None if answer.request_id is None else str(answer.request_id)[:_MAX_TEXT]
    return kind(action, answer.code, module, text, name, request_id)
