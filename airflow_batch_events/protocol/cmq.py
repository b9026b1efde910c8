# SPDX-License-Identifier: Apache-2.0
"""
The queue service's data plane: receive, delete, send and publish, asynchronously.

An empty queue and a message that could not be deleted are results, not exceptions. A receive that was cancelled or cut
may have taken messages; they come again after their visibility timeout. A send or publish that is repeated after an
unknown effect may arrive twice: delivery is at least once anyway.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from airflow_batch_events.exceptions import (
    CallTimeoutError,
    CmqParameterError,
    ConfigurationError,
    TransportError,
)
from airflow_batch_events.limits import MAX_BATCH_BYTES, MAX_LONG_POLL, MAX_MESSAGE_BYTES, MAX_MESSAGES
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.cmq_wire import (
    BAD_HANDLE,
    FORM,
    NO_MESSAGE,
    NOTHING_DELETED,
    OK,
    PARTLY_DELETED,
    PATH,
    STALE_HANDLE,
    Answer,
    DeleteFailure,
    Message,
    SignatureMethod,
    error_of,
    numbered,
    parse_answer,
    signed_form,
)
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.credentials.credential_holder import CredentialHolder
from airflow_batch_events.protocol.reasons import reason_of, status_reason
from airflow_batch_events.protocol.retry import RetryPolicy
from airflow_batch_events.protocol.transport import CONNECT_TIMEOUT, open_session

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

__all__ = ["CmqClient", "DeleteFailure", "Message"]

ANSWER_TIMEOUT = 10.0
"""Seconds that the whole of an answer may take beyond the time for which it was asked to wait."""

MAX_ANSWER = 6 * MAX_MESSAGES * MAX_MESSAGE_BYTES + 2**20
"""Bytes of an answer: 16 messages of 1 MB, each byte at the worst written as six (``\\u0001``), and what is around."""


class CmqClient:
    """
    Talk to the queue service; any number of calls at once.

    :param access: The key, which is renewed where the access can be, and the queue service's address.
    :param signature_method: ``HmacSHA256`` or ``HmacSHA1``.
    :param retries: Repeats after a failure that may pass, with growing pauses; 0 makes every call once.
    :param timeout: Seconds that the whole of an answer may take beyond the time for which it was asked to wait; by
        default 10. A caller with its own bound gives more.
    :param sleep: Waits between repeats.
    :param clock: The cloud's time, to sign with; learns from every answer.
    :raises ConfigurationError: When ``access`` has no ``cmq_endpoint``.
    """

    def __init__(
        self,
        access: CloudAccess,
        *,
        signature_method: SignatureMethod = "HmacSHA256",
        retries: int = 3,
        timeout: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: CloudClock | None = None,
    ) -> None:
        self._timeout = timeout
        self.clock = clock or CloudClock()
        self._holder = CredentialHolder(access)
        self._endpoint = access.required_cmq_endpoint
        self._host = self._endpoint.partition("://")[2]
        self._signature_method = signature_method
        self._retry = RetryPolicy(retries=retries, throttled_retries=retries)
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._where = self._endpoint
        self._proxy_headers: dict[str, str] | None = None
        self._told: set[str] = set()

    async def __aenter__(self) -> CmqClient:
        self._session, proxy = await open_session(self._holder.access, self._endpoint)
        if proxy is not None:
            self._where = f"{self._endpoint} through the proxy {proxy.address}"
            self._proxy_headers = proxy.headers
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; calls under way end with an error."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def receive(
        self, queue_name: str, *, max_messages: int = MAX_MESSAGES, wait_seconds: int | None = 3
    ) -> list[Message]:
        """
        Receive what is there, or wait for the first message.

        :param queue_name: The queue.
        :param max_messages: 1 to 16.
        :param wait_seconds: 0 to 30; above 3 TDMQ delivers markedly more duplicates. None takes the queue's attribute.
        :return: Empty when nothing arrived in that time.
        :raises CmqQueueNotFoundError: When there is no such queue.
        """
        if not 1 <= max_messages <= MAX_MESSAGES:
            raise ConfigurationError(f"max_messages must be 1 to {MAX_MESSAGES}, not {max_messages}")
        if wait_seconds is not None and not 0 <= wait_seconds <= MAX_LONG_POLL:
            raise ConfigurationError(f"wait_seconds must be 0 to {MAX_LONG_POLL}, or None, not {wait_seconds}")
        params = {"queueName": queue_name, "numOfMsg": str(max_messages)}
        if wait_seconds is not None:
            params["pollingWaitSeconds"] = str(wait_seconds)
        answer = await self._call(
            "BatchReceiveMessage",
            queue_name,
            params,
            good_codes=(OK, NO_MESSAGE),
            wait=MAX_LONG_POLL if wait_seconds is None else wait_seconds,
        )
        if answer.unreadable and queue_name not in self._told:
            self._told.add(queue_name)
            log.warning(
                "Queue %r at %s has messages that cannot be read (%d in one answer): they are left to its dead-letter "
                "policy; this is said once",
                queue_name,
                self._endpoint,
                answer.unreadable,
            )
        return answer.messages or []

    async def delete(self, queue_name: str, receipt_handles: Sequence[str]) -> list[DeleteFailure]:
        """
        Delete messages, 16 a call.

        :return: One entry for each handle that was refused. Where a call was repeated after an unknown effect, a handle
            that had worked the first time is among them.
        :raises CmqQueueNotFoundError: When there is no such queue.
        """
        failures: list[DeleteFailure] = []
        for start in range(0, len(receipt_handles), MAX_MESSAGES):
            handles = receipt_handles[start : start + MAX_MESSAGES]
            answer = await self._call(
                "BatchDeleteMessage",
                queue_name,
                {"queueName": queue_name, **numbered("receiptHandle", handles)},
                good_codes=(OK, PARTLY_DELETED, NOTHING_DELETED),
            )
            if answer.code == NOTHING_DELETED and not answer.failures:
                failures += [DeleteFailure(handle, answer.code, answer.message) for handle in handles]
            else:
                failures += answer.failures or []
        return failures

    async def delete_one(self, queue_name: str, receipt_handle: str) -> DeleteFailure | None:
        """Delete one message; return why it was not deleted, or None."""
        failures = await self.delete(queue_name, [receipt_handle])
        return failures[0] if failures else None

    async def send(self, queue_name: str, body: str, *, delay_seconds: int = 0) -> str:
        """
        Send a message to a queue.

        :param queue_name: The queue.
        :param body: At least one byte, at most the queue's MaxMsgSize. Avoid a leading ``@``: the vendor's clients
            disagree on how to sign it.
        :param delay_seconds: Seconds until it can be received.
        :return: The message id.
        """
        params = {"queueName": queue_name, "msgBody": body, "delaySeconds": str(delay_seconds)}
        return (await self._call("SendMessage", queue_name, params)).message_id

    async def send_batch(self, queue_name: str, bodies: Sequence[str], *, delay_seconds: int = 0) -> list[str]:
        """Send messages, up to 16 and 64 KB a call; return their ids in order."""
        ids: list[str] = []
        for batch in batches(bodies):
            params = {"queueName": queue_name, "delaySeconds": str(delay_seconds), **numbered("msgBody", batch)}
            answer = await self._call("BatchSendMessage", queue_name, params)
            ids += [sent.message_id for sent in answer.sent or []]
        return ids

    async def publish(
        self, topic_name: str, body: str, *, tags: Sequence[str] = (), routing_key: str | None = None
    ) -> str:
        """
        Publish a message to a topic.

        :param topic_name: The topic.
        :param body: As for :meth:`send`.
        :param tags: At most 5 of at most 16 characters, for topics that filter by tag.
        :param routing_key: At most 64 bytes and 15 dots, for topics that filter by routing key.
        :return: The message id; the queues that it is forwarded to give it others.
        :raises CmqNoSubscriberError: When no subscription wants the message.
        """
        params = {"topicName": topic_name, "msgBody": body, **_filters(tags, routing_key)}
        return (await self._call("PublishMessage", topic_name, params)).message_id

    async def publish_batch(
        self, topic_name: str, bodies: Sequence[str], *, tags: Sequence[str] = (), routing_key: str | None = None
    ) -> list[str]:
        """Publish messages that share their tags, up to 16 and 64 KB a call; return their ids in order."""
        ids: list[str] = []
        for batch in batches(bodies):
            params = {"topicName": topic_name, **numbered("msgBody", batch), **_filters(tags, routing_key)}
            answer = await self._call("BatchPublishMessage", topic_name, params)
            ids += [sent.message_id for sent in answer.sent or []]
        return ids

    async def check_queue(self, queue_name: str) -> None:
        """
        Prove that a queue exists at this address for this key, without taking a message from anybody.

        It asks for the deletion of a message that cannot exist, which the service refuses one way where there is such
        a queue, and another where there is none.

        :param queue_name: The queue.
        :raises CmqQueueNotFoundError: When there is no such queue.
        :raises CmqError: When the key is refused, or the name cannot be one.
        :raises TransportError: When there is no usable answer.
        """
        try:
            await self._call(
                "BatchDeleteMessage",
                queue_name,
                {"queueName": queue_name, **numbered("receiptHandle", ["0"])},
                good_codes=(OK, STALE_HANDLE, PARTLY_DELETED, NOTHING_DELETED),
            )
        except CmqParameterError as error:
            # A service that checks the handle's form first has accepted the key, and says nothing of the queue.
            if error.module != BAD_HANDLE:
                raise

    async def _call(
        self, action: str, name: str, params: dict[str, str], *, good_codes: Sequence[int] = (OK,), wait: float = 0.0
    ) -> Answer:
        async def make() -> Answer:
            answer = await self._post(action, params, good_codes, wait)
            if answer.code not in good_codes:
                raise error_of(action, name, answer)
            return answer

        async def once() -> Answer:
            return await self._holder.signed(self.clock, make)

        return await self._retry.acall(once, repeatable=True, sleep=self._sleep)

    async def _post(self, action: str, params: dict[str, str], good_codes: Sequence[int], wait: float) -> Answer:
        if self._session is None:
            raise RuntimeError("the client is not open: use it in an `async with` block")
        form = self._signed(action, params)
        bound = wait + (ANSWER_TIMEOUT if self._timeout is None else self._timeout)
        told = f"{action}: no answer from {self._where}"
        failure: TransportError
        try:
            status, date, content = await _exchange(
                self._session, self._endpoint + PATH, form, bound, self._proxy_headers
            )
        # Whatever the library raises: its text must not leave.
        except Exception as error:  # noqa: BLE001
            if isinstance(error, asyncio.TimeoutError) and "Connect" not in type(error).__name__:
                failure = CallTimeoutError(f"{told}: timed out after {bound:g} s")
            else:
                failure = TransportError(f"{told}: {reason_of(error)}")
        else:
            return self._understood(action, status, date, content, good_codes)
        raise failure

    def _understood(
        self, action: str, status: int, date: str | None, content: bytes, good_codes: Sequence[int]
    ) -> Answer:
        answer: Answer | None = None
        if status != HTTPStatus.OK:
            reason = status_reason(status)
        elif len(content) > MAX_ANSWER:
            reason = f"more than {MAX_ANSWER} bytes"
        else:
            try:
                answer = parse_answer(content)
            except ValueError:
                reason = "something that is not understood"
        self.clock.learn(date, is_good=answer is not None and answer.code in good_codes)
        if answer is None:
            raise TransportError(f"{action}: {self._where} answered {reason}")
        return answer

    def _signed(self, action: str, params: dict[str, str]) -> bytes:
        key = self._holder.access.key
        common = {
            "Action": action,
            "SecretId": key.secret_id,
            "Timestamp": str(int(self.clock.signing_time())),
            "Nonce": str(random.randrange(1, 2**63)),
            "SignatureMethod": self._signature_method,
        }
        if key.token is not None:
            common["Token"] = key.token
        try:
            return signed_form(self._host, {**params, **common}, key.secret_key, self._signature_method)
        except UnicodeEncodeError:
            pass
        raise ConfigurationError(f"{action}: a name or a body has half a character in it (a lone surrogate)")


async def _exchange(
    session: aiohttp.ClientSession, url: str, form: bytes, bound: float, proxy_headers: dict[str, str] | None
) -> tuple[int, str | None, bytes]:
    import aiohttp

    async with session.post(
        url,
        data=form,
        headers={"Content-Type": FORM},
        timeout=aiohttp.ClientTimeout(total=bound, connect=CONNECT_TIMEOUT),
        allow_redirects=False,
        proxy_headers=proxy_headers,
    ) as response:
        content = bytearray()
        if response.status == HTTPStatus.OK:
            async for part in response.content.iter_any():
                content += part
                if len(content) > MAX_ANSWER:
                    break
        return response.status, response.headers.get("Date"), bytes(content)


def batches(bodies: Sequence[str]) -> Iterator[list[str]]:
    """Cut bodies, in order, into batches of at most 16 and 64 KB; a larger body gets its own batch."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode(errors="surrogatepass"))
        if batch and (len(batch) == MAX_MESSAGES or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += length
    if batch:
        yield batch


def _filters(tags: Sequence[str], routing_key: str | None) -> dict[str, str]:
    filters = numbered("msgTag", tags)
    if routing_key is not None:
        filters["routingKey"] = routing_key
    return filters
