# SPDX-License-Identifier: Apache-2.0
"""
The access that a client signs with, kept good for as long as the client works.

A client asks before each signature and after each refusal, so a key that was exchanged, or has ended, costs one call
more and cuts no long poll. A renewal that fails ends nothing: as long as the cloud accepts the old key, it is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow_batch_events.exceptions import ApiCredentialsError, BatchEventsError, CmqCredentialsError
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.credentials.access import CloudAccess, Renewal
from airflow_batch_events.protocol.time_limit import within

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_AFTER = 60.0
"""Seconds until a renewal that has failed is tried again, unless the key is refused before."""

BOUND = 30.0
"""Seconds that a renewal may hold up a call."""

CORRECTIONS = 2
"""How often a refused request is signed anew: once for a clock that is off, once for a key that has ended."""

PERMISSION_CODES = ("AuthFailure.UnauthorizedOperation",)
"""Refusals that another key of the same identity would meet as well."""


def is_key_refused(error: Exception) -> bool:
    """Whether a renewed key may help: the key itself was refused, not what it may do."""
    if isinstance(error, ApiCredentialsError):
        return error.code.startswith("AuthFailure") and error.code not in PERMISSION_CODES
    return isinstance(error, CmqCredentialsError)


class CredentialHolder:
    """
    Hold an access for a client.

    :param access: What the client was made from.
    :param monotonic: The clock of ``renew_at``.
    """

    def __init__(self, access: CloudAccess, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._take(access)

    async def signed(self, clock: CloudClock, make: Callable[[], Awaitable[T]]) -> T:
        """
        Make a call with the present key, and again where its refusal can be put right.

        :param clock: The time to sign with, which a refusal may correct.
        :param make: Signs the call with :attr:`access` and the clock's time, and makes it.
        :raises CloudError: What ``make`` raises.
        """
        for _ in range(CORRECTIONS):
            access, signed_at = await self.refresh(), clock.signing_time()
            try:
                return await make()
            except (ApiCredentialsError, CmqCredentialsError) as error:
                # A refusal that tells that this machine's clock is off is worth one more try with the cloud's time,
                # and one of a key that has been exchanged meanwhile is worth one with the present key.
                if not clock.correct(signed_at) and not await self.exchange(access, error):
                    raise
        return await make()

    async def refresh(self) -> CloudAccess:
        """Return the access to sign with, renewed if it is due."""
        if self.access.renewal is not None and self._monotonic() >= self._due:
            await self._renew(self.access.renewal, None)
        return self.access

    async def exchange(self, refused: CloudAccess, error: Exception) -> bool:
        """
        Find another key after a refusal.

        :param refused: What the refused request was signed with.
        :param error: The refusal.
        :return: Whether there is another key to try.
        """
        if not is_key_refused(error):
            return False
        if self.access.key == refused.key and refused.renewal is not None:
            await self._renew(refused.renewal, refused)
        return self.access.key != refused.key

    async def _renew(self, renewal: Renewal, refused: CloudAccess | None) -> None:
        try:
            self._take(await within(BOUND, renewal.arenew(refused)))
        # Whatever keeps the connection or the role from being read, the old key may still be good.
        except Exception as error:  # noqa: BLE001
            self._due = self._monotonic() + AGAIN_AFTER
            # Of a foreign error only the kind: its text may quote what could not be read.
            reason = error if isinstance(error, BatchEventsError) else type(error).__name__
            log.warning("The key of %s cannot be renewed, the old one is used: %s", self.access.source, reason)

    def _take(self, access: CloudAccess) -> None:
        self.access = access
        self._due = float("inf") if access.renew_at is None else access.renew_at
