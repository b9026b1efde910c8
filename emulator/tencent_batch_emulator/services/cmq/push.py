# SPDX-License-Identifier: Apache-2.0
"""
Pushes to ``http`` subscribers: real requests, but never beyond this machine.

A subscription may name any endpoint, as in the cloud; what is not on the loopback gets nothing, like a private network
there, so that a test with production settings cannot reach production. Of an answer only the status counts: no redirect
is followed, no cookie kept, and no more of its body read than makes the connection usable again.
"""

from __future__ import annotations

import asyncio
import random
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import msgspec

from tencent_batch_emulator.loopback import is_loopback
from tencent_batch_emulator.services.cmq.topic import SIMPLIFIED, Publication, Subscription

TIMEOUT = 15.0
"""Seconds (of the machine) that a subscriber has to answer."""

MAX_ANSWER = 64 * 1024
"""Bytes of a subscriber's answer that are read."""

_AGENT = "Qcloud Notification Service Agent"


def names_this_machine(url: str) -> bool:
    """Whether a URL leads to this machine."""
    try:
        return is_loopback(httpx.URL(url).host)
    except httpx.InvalidURL:
        return False


def push_body(subscription: Subscription, publication: Publication, account: int) -> str:
    """Return what is sent: the message itself, or the JSON object that describes it."""
    if subscription.notify_content_format == SIMPLIFIED:
        return publication.body
    return msgspec.json.encode(
        {
            "TopicOwner": account,
            "topicName": subscription.topic.name,
            "subscriptionName": subscription.name,
            "msgId": publication.message_id,
            "msgBody": publication.body,
            "publishTime": int(publication.published),
        }
    ).decode()


class Pusher:
    """
    Send messages to ``http`` subscribers.

    :param account: The owner of the topics.
    :param rng: For request ids.
    """

    def __init__(self, account: int, rng: random.Random) -> None:
        self._account = account
        self._rng = rng
        self._client: httpx.AsyncClient | None = None

    async def push(self, subscription: Subscription, publication: Publication) -> str:
        """
        Send one message once.

        :return: Empty when the subscriber took it, else why not.
        """
        if not names_this_machine(subscription.endpoint):
            return f"{subscription.endpoint} is not on this machine; the emulator pushes to the loopback only"
        if self._client is None:
            # No proxy of the environment, and no redirect: both could lead away from this machine.
            self._client = httpx.AsyncClient(
                timeout=TIMEOUT,
                trust_env=False,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        headers = {
            "Content-Type": "text/plain",
            "User-Agent": _AGENT,
            "x-cmq-request-id": str(self._rng.getrandbits(31)),
            "x-cmq-message-id": publication.message_id,
        }
        if publication.tags:
            headers["x-cmq-message-tag"] = ", ".join(publication.tags)
        content = push_body(subscription, publication, self._account).encode()
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        try:
            # The client's own limit is one for each step; a subscriber has so long altogether.
            status = await asyncio.wait_for(_post(self._client, subscription.endpoint, content, encoded), TIMEOUT)
        except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return "" if httpx.codes.is_success(status) else f"the subscriber answered {status}"

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def _post(client: httpx.AsyncClient, url: str, content: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    async with client.stream("POST", url, content=content, headers=headers) as response:
        read = 0
        # As it comes, not unpacked: a small body can unpack to a huge one.
        async for chunk in response.aiter_raw():
            read += len(chunk)
            if read > MAX_ANSWER:
                break
        return response.status_code
