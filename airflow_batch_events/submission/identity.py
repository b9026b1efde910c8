# SPDX-License-Identifier: Apache-2.0
"""
Where and as whom something was submitted, so that a later try searches there and nowhere else.

A job's id means nothing in another region, at another endpoint or to another account: the answer there is "no such
job", upon which the work would be submitted a second time. A key is no such place: keys are exchanged, and the new one
finds the same jobs as long as it belongs to the same account.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from airflow_batch_events.exceptions import IdentityUnknownError

if TYPE_CHECKING:
    from airflow_batch_events.protocol.credentials.access import CloudAccess

PUBLIC_DOMAIN = ".tencentcloudapi.com"

_PUBLIC_HOST = re.compile(r"batch(\.[a-z]{2}(-[a-z0-9]+)+)?\.tencentcloudapi\.com")
"""The public Batch API, with or without a region in front; the international site's host is another cloud."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHOWN = 8


class Identity(msgspec.Struct, frozen=True):
    """
    Where and as whom something is submitted.

    :param region: For example ``ap-guangzhou``.
    :param endpoint: The Batch API's address, normalized; empty for the public one.
    :param key_id: The SecretId that signs. It stands for the account only as long as the account is not known.
    :param account: The account that owns the key, or the ARN of the role that is assumed; empty when STS did not say.
    """

    region: str
    endpoint: str
    key_id: str
    account: str = ""

    @classmethod
    def of(cls, access: CloudAccess) -> Identity:
        """Return what is known without asking anybody; the account only where a role is assumed."""
        return cls(access.region, normal_endpoint(access.batch_endpoint), access.secret_id, access.role_arn or "")

    def is_same_place(self, other: Identity) -> bool:
        """Whether both name the same API in the same region, for any user."""
        return (self.region, self.endpoint) == (other.region, other.endpoint)

    def differences(self, now: Identity) -> list[str]:
        """
        Say in which points the present identity is another one; nothing when it is the same.

        :param now: The present identity.
        :raises IdentityUnknownError: When all that differs is the key, and one of the two accounts is not known.
        """
        found = []
        if self.region != now.region:
            found.append(f"the region was {self.region!r} and is {now.region!r}")
        if self.endpoint != now.endpoint:
            found.append(f"the Batch API's endpoint was {_shown(self.endpoint)} and is {_shown(now.endpoint)}")
        if self.account and now.account and self.account != now.account:
            found.append(f"the account was {self.account!r} and is {now.account!r}")
        if not found and self.key_id != now.key_id and not (self.account and now.account):
            raise IdentityUnknownError(
                f"An earlier try has submitted with the key {_short(self.key_id)}, this one has {_short(now.key_id)}, "
                f"and STS has not said whether both belong to one account. Nothing was submitted: run the task again "
                f"when STS answers, let the key call sts:GetCallerIdentity, put the earlier key back into the "
                f"connection, or start a new DAG run"
            )
        return found


def normal_endpoint(endpoint: str | None) -> str:
    """
    Return an address of the Batch API as it is compared: empty for the public one, however it is spelled.

    :param endpoint: ``scheme://host[:port]``, or None.
    """
    if endpoint is None:
        return ""
    parts = urlsplit(endpoint)
    host = (parts.hostname or "").rstrip(".")
    if _PUBLIC_HOST.fullmatch(host):
        return ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def has_sts(access: CloudAccess) -> bool:
    """
    Whether it is known which STS knows the keys of this access.

    A private Batch API without a private STS (an emulator, a proxy) has keys that are nothing to the public one,
    which perhaps cannot be reached from there either.
    """
    if access.sts_endpoint is not None:
        return True
    host = urlsplit(normal_endpoint(access.batch_endpoint)).hostname
    return host is None or host.endswith(PUBLIC_DOMAIN)


def _shown(endpoint: str) -> str:
    return repr(endpoint) if endpoint else "the public one"


def _short(key_id: str) -> str:
    return f"{key_id[:_SHOWN]}..."
