# SPDX-License-Identifier: Apache-2.0
"""
What a connection says, before anything is fetched: where, with whose key or with none, and which role to assume.

Making one touches neither network nor files; :meth:`CredentialSource.resolve` does, and is the only way to a
:class:`CloudAccess` without a key in hand.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TypedDict

from airflow_batch_events.protocol.credentials import default_credentials, sts
from airflow_batch_events.protocol.credentials.access import CloudAccess, Key
from airflow_batch_events.protocol.retry import RetryPolicy

RETRIES = RetryPolicy(retries=8)
"""For a trigger: a wait must not fail because STS is away for less than three quarters of a minute."""


class EndpointConfig(TypedDict):
    """The parts of a :class:`CloudAccess` that say where; see there."""

    region: str
    cmq_endpoint: str | None
    batch_endpoint: str | None
    tdmq_endpoint: str | None
    sts_endpoint: str | None
    cos_endpoint: str | None
    console_url: str | None
    verify: bool | str
    proxy: str | None
    source: str


@dataclass(frozen=True)
class CredentialSource:
    """
    Whom to be, and where.

    :param endpoints: Region, addresses and how to get there.
    :param key: The key; None for the machine's own, found by the vendor's default chain.
    :param role: The role that the key assumes; None to use the key itself.
    """

    endpoints: EndpointConfig = field(repr=False)
    key: Key | None = None
    role: sts.Role | None = None

    @property
    def is_ready(self) -> bool:
        """Whether nothing has to be fetched: a key, and no role."""
        return self.key is not None and self.role is None

    def resolve(self, refused: CloudAccess | None = None) -> CloudAccess:
        """
        Return what clients are made from; blocks while something has to be fetched.

        :param refused: The access whose key the cloud does not take any more.
        :raises CredentialsError: When there is no key, or the role cannot be assumed.
        :raises CloudError: When STS does not answer.
        """
        return RetryPolicy().call(lambda: self._resolve(refused), repeatable=True)

    async def aresolve(self, refused: CloudAccess | None = None) -> CloudAccess:
        """Return what clients are made from; the parameters are those of :meth:`resolve`."""
        if self.is_ready:
            return self._resolve(refused)

        async def once() -> CloudAccess:
            return await asyncio.to_thread(self._resolve, refused)

        return await RETRIES.acall(once, repeatable=True)

    def _resolve(self, refused: CloudAccess | None) -> CloudAccess:
        refused_key = None if refused is None else refused.key
        key, renew_at, identity = self.key, None, ""
        if key is None:
            key, renew_at = default_credentials.find_key(self.endpoints["source"], refused_key)
            identity = f"key {key.shown} of the machine"
        access = CloudAccess(
            secret_id=key.secret_id,
            secret_key=key.secret_key,
            token=key.token,
            identity=identity,
            renew_at=renew_at,
            **self.endpoints,
        )
        if self.role is not None:
            access = sts.assume(access, self.role, refused_key)
        return access if self.is_ready else replace(access, renewal=CredentialSourceRenewal(self))


@dataclass(frozen=True)
class CredentialSourceRenewal:
    """
    Fetch the key of a source again.

    :param origin: The source.
    """

    origin: CredentialSource

    async def arenew(self, refused: CloudAccess | None) -> CloudAccess:
        """Return the access as it is now."""
        return await self.origin.aresolve(refused)
