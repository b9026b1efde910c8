# SPDX-License-Identifier: Apache-2.0
"""
The key pairs that the emulator accepts, and whose they are.

A secret never leaves through a repr, a log or an error: keys are shown by their id. Keys that are temporary or disabled
stay known after their end, because the cloud answers differently for them than for a key that never was.
"""

from __future__ import annotations

import itertools
import secrets
import string
from dataclasses import dataclass, field, replace

PREFIX = "AKID"
"""How every id of a key begins."""

FIRST_ACCOUNT = 1250000001

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Key:
    """
    A key pair.

    :param secret_id: The public half; begins with ``AKID``.
    :param secret_key: What requests are signed with.
    :param account: The account's number (its APPID).
    :param token: What a request must carry beside the signature; None for a permanent key.
    :param expires: Unix seconds at which a temporary key ends.
    :param enabled: False for a key that was switched off.
    """

    secret_id: str
    secret_key: str = field(repr=False)
    account: int
    token: str | None = field(default=None, repr=False)
    expires: float | None = None
    enabled: bool = True

    def is_expired(self, now: float) -> bool:
        """Whether a temporary key has ended."""
        return self.expires is not None and now >= self.expires


class KeyRing:
    """Keep key pairs."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._accounts = itertools.count(FIRST_ACCOUNT)

    def __repr__(self) -> str:
        return f"KeyRing({sorted(self._keys)})"

    def create(self, *, account: int | None = None, secret_id: str | None = None, secret_key: str | None = None) -> Key:
        """
        Make a permanent key pair.

        :param account: Whose it is; a new account by default.
        :param secret_id: A fixed id instead of a random one.
        :param secret_key: A fixed secret instead of a random one.
        :raises ValueError: For an id that does not begin with ``AKID``, or that exists, or only one half of a pair.
        """
        if (secret_id is None) != (secret_key is None):
            raise ValueError("a fixed key needs both secret_id and secret_key; leave out both for a random pair")
        if secret_id is not None and not secret_id.startswith(PREFIX):
            raise ValueError(f"the secret id {secret_id!r} must begin with {PREFIX}, as the cloud's do")
        if secret_key is not None and not secret_key:
            raise ValueError(f"the secret key of {secret_id!r} is empty")
        key = Key(
            secret_id or _random_id(),
            secret_key or _random_text(32),
            next(self._accounts) if account is None else account,
        )
        return self._add(key)

    def issue_temporary(self, account: int, expires: float) -> Key:
        """
        Make a key pair that ends, with the token that requests must carry.

        :param account: Whose it is.
        :param expires: Unix seconds, by the emulator's clock, at which it ends.
        """
        return self._add(Key(_random_id(), _random_text(32), account, secrets.token_urlsafe(96), expires))

    def disable(self, secret_id: str) -> None:
        """
        Switch a key off.

        :raises KeyError: When there is no such key.
        """
        self._keys[secret_id] = replace(self._keys[secret_id], enabled=False)

    def has_account(self, account: int) -> bool:
        """Whether any key belongs to the account."""
        return any(key.account == account for key in self._keys.values())

    def find(self, secret_id: str) -> Key | None:
        """Return the key of that id."""
        return self._keys.get(secret_id)

    def _add(self, key: Key) -> Key:
        if key.secret_id in self._keys:
            raise ValueError(f"there is already a key with the id {key.secret_id!r}")
        self._keys[key.secret_id] = key
        return key


def _random_id() -> str:
    return PREFIX + _random_text(32)


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
