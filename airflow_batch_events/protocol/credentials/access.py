# SPDX-License-Identifier: Apache-2.0
"""
Who we are and where: the one value from which every client is made.

It never shows a secret, whatever prints it. The queue service's address is configuration and never derived from the
region: the console prints one for each account, and guessing it would send signed requests to another account's host.

A key may end, or be exchanged, while a client still works: an access whose key was fetched carries its
:class:`Renewal`, and every client that is made from it asks there again (``credential_holder.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.credentials.proxy import parse_proxy
from airflow_batch_events.protocol.credentials.settings import console_of, endpoint_of, key_part, region_of

ENDPOINT_FIELDS = ("cmq_endpoint", "batch_endpoint", "tdmq_endpoint", "sts_endpoint", "cos_endpoint")

_SHOWN = 8
"""Characters of a SecretId that are shown: enough to tell one key from another."""


@dataclass(frozen=True)
class Key:
    """
    What requests are signed with.

    :param secret_id: SecretId, ``AKID...``.
    :param secret_key: SecretKey.
    :param token: Session token of a temporary key.
    """

    secret_id: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The beginning of the SecretId, for people."""
        return f"{self.secret_id[:_SHOWN]}..."


class Renewal(Protocol):
    """Where an access came from: its holder asks here for the present one."""

    async def arenew(self, refused: CloudAccess | None) -> CloudAccess:
        """
        Return the access as it is now, without blocking the event loop.

        :param refused: The access whose key the cloud has just refused, so that it is not handed out again unchecked.
        """
        ...


@dataclass(frozen=True)
class CloudAccess:
    """
    A key, a region and the addresses to use it at.

    :param secret_id: SecretId of the key, ``AKID...``.
    :param secret_key: SecretKey of the key.
    :param region: Long form, for example ``ap-guangzhou``.
    :param token: Session token of temporary credentials.
    :param cmq_endpoint: The queue service's address as the console prints it (TDMQ for CMQ > Queue Service > API
        request address), for example ``https://cmq-gz.public.tencenttdmq.com``.
    :param batch_endpoint: ``scheme://host[:port]`` of the Batch API; None for the public one.
    :param tdmq_endpoint: ``scheme://host[:port]`` of the TDMQ API; None for the public one.
    :param sts_endpoint: ``scheme://host[:port]`` of STS, where a role is assumed; None for the public one.
    :param cos_endpoint: ``scheme://host[:port]`` of COS, without a bucket; None for the public one of the region.
    :param console_url: Where links to the pages of jobs, queues and so on lead; None for the vendor's console.
    :param verify: Whether to check TLS certificates, or the path of a CA bundle to check them with.
    :param proxy: URL of a proxy, as :func:`parse_proxy` takes it; None leaves the choice to the environment.
    :param source: Where these settings come from, for messages.
    :param role_arn: The role whose temporary key this is.
    :param identity: Whose key this is, in words; by default the beginning of the SecretId.
    :param renew_at: Seconds of the monotonic clock from which on the renewal is to be asked.
    :param renewal: Where a newer key can be had; None for a key that was given once and for all.
    :raises CredentialsError: When there is no usable key.
    :raises ConfigurationError: When a field is missing or malformed; it names ``source`` and the field.
    """

    secret_id: str
    secret_key: str = field(repr=False)
    region: str
    token: str | None = field(default=None, repr=False)
    cmq_endpoint: str | None = None
    batch_endpoint: str | None = None
    tdmq_endpoint: str | None = None
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    source: str = "the given settings"
    sts_endpoint: str | None = None
    cos_endpoint: str | None = None
    console_url: str | None = field(default=None, compare=False)
    role_arn: str | None = None
    identity: str = field(default="", compare=False)
    renew_at: float | None = field(default=None, repr=False, compare=False)
    renewal: Renewal | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        key_part(self.source, "secret_id", self.secret_id)
        key_part(self.source, "secret_key", self.secret_key)
        if self.token is not None:
            key_part(self.source, "token", self.token)
        region_of(self.source, self.region)
        for name in ENDPOINT_FIELDS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, endpoint_of(self.source, name, value))
        if self.console_url is not None:
            object.__setattr__(self, "console_url", console_of(self.source, "console_url", self.console_url))
        if self.proxy is not None:
            parse_proxy(self.source, "proxy", self.proxy)
        if not isinstance(self.verify, bool | str):
            raise ConfigurationError(f"{self.source}: verify must be true, false or the path of a CA bundle")
        if not self.identity:
            object.__setattr__(self, "identity", f"key {self.key.shown}")

    @classmethod
    def at_endpoint(
        cls,
        endpoint: str,
        secret_id: str,
        secret_key: str,
        region: str = "ap-guangzhou",
        *,
        token: str | None = None,
        source: str = "the given settings",
    ) -> CloudAccess:
        """Make an access to a cloud that serves everything at one address, as the emulator does."""
        return cls(
            secret_id=secret_id,
            secret_key=secret_key,
            region=region,
            token=token,
            cmq_endpoint=endpoint,
            batch_endpoint=endpoint,
            tdmq_endpoint=endpoint,
            sts_endpoint=endpoint,
            source=source,
        )

    @property
    def key(self) -> Key:
        """What requests are signed with."""
        return Key(self.secret_id, self.secret_key, self.token)

    @property
    def principal(self) -> str:
        """Who this is, in a way that outlives the key where the key can be renewed: connection and role."""
        return self.secret_id if self.renewal is None else f"{self.source} {self.role_arn or ''}"

    @property
    def required_cmq_endpoint(self) -> str:
        """
        The queue service's address, for a caller that cannot do without it.

        :raises ConfigurationError: When it is not set, with the place to copy it from.
        """
        if self.cmq_endpoint is None:
            raise ConfigurationError(
                f"{self.source} has no cmq_endpoint: copy it from the console (TDMQ for CMQ > Queue Service > API "
                f'request address) into the connection\'s extra, {{"cmq_endpoint": "https://..."}}'
            )
        return self.cmq_endpoint
