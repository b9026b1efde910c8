# SPDX-License-Identifier: Apache-2.0
"""
The key that the machine has: the vendor's default chain, for a connection that names none.

The chain reads files and asks the machine's metadata service without any time limit, so it runs in a thread that may
be left behind. What it finds is never shown, and neither are its errors' texts: they quote the files that it reads.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable
from typing import Protocol

from airflow_batch_events.exceptions import CredentialsError
from airflow_batch_events.protocol.credentials.access import Key
from airflow_batch_events.protocol.credentials.settings import key_part

BOUND = 20.0
"""Seconds that the chain may take."""

ASK_AGAIN_AFTER = 60.0
"""Seconds after which a temporary key is asked for again; the SDK fetches a new one five minutes before its end."""

_UNUSABLE = "InvalidCredential"
"""The SDK's code for a key that is empty or has blanks at its ends."""


class MachineCredential(Protocol):
    """What the chain finds; one of a role fetches its next key by itself."""

    def get_credential_info(self) -> tuple[str | None, str | None, str | None]:
        """Return SecretId, SecretKey and session token as they are now. May block."""
        ...


_lock = threading.Lock()
_machine: MachineCredential | None = None
"""The credential of a role that renews itself; what is read from the environment or a file is read each time."""


def find_key(source: str, refused: Key | None = None) -> tuple[Key, float | None]:
    """
    Look up the machine's key; may block for the bound.

    :param source: The connection that names no key, for messages.
    :param refused: A key that the cloud does not take any more.
    :return: The key, and the monotonic seconds at which to ask again; None when only a refusal is a reason to.
    :raises CredentialsError: When nothing is found; it names the ways out.
    """
    key, reason = None, ""
    try:
        key = _within(BOUND, lambda: _find(refused))
    # The chain raises whatever its parts do: OSError, KeyError, the SDK's own.
    except Exception as error:  # noqa: BLE001
        reason = " ".join(filter(None, [type(error).__name__, getattr(error, "code", None)]))
    if key is None and _UNUSABLE in reason:
        raise CredentialsError(
            f"{source} has no key, and the one that the vendor's default chain finds where this runs is empty, or "
            f"begins or ends with a blank or a line break: correct TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, "
            f"or ~/.tencentcloud/credentials"
        )
    if key is None:
        raise CredentialsError(
            f"{source} has no key (SecretId as login, SecretKey as password), and the vendor's default chain finds "
            f"none where this runs either ({reason}): fill the key in, or set TENCENTCLOUD_SECRET_ID and "
            f"TENCENTCLOUD_SECRET_KEY, or write ~/.tencentcloud/credentials, or give the machine a role"
        )
    where = f"{source} has no key, and the machine's"
    key_part(where, "SecretId", key.secret_id)
    key_part(where, "SecretKey", key.secret_key)
    if key.token is not None:
        key_part(where, "token", key.token)
    return key, None if key.token is None else time.monotonic() + ASK_AGAIN_AFTER


def _find(refused: Key | None) -> Key:
    global _machine
    with _lock:
        if _machine is not None:
            key = _key_of(_machine)
            if key is not None and key != refused:
                return key
            _machine = None
        from airflow_batch_events.protocol import sdk_adapter

        found = sdk_adapter.find_default_credential()
        key = _key_of(found)
        if key is None:
            raise LookupError("the chain found a credential without a key")
        if key.token is not None:
            _machine = found
        return key


def _key_of(credential: MachineCredential) -> Key | None:
    secret_id, secret_key, token = credential.get_credential_info()
    return Key(secret_id, secret_key, token or None) if secret_id and secret_key else None


def _within(seconds: float, work: Callable[[], Key]) -> Key:
    future: concurrent.futures.Future[Key] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            future.set_exception(error)

    # Not an executor's thread: the interpreter would wait for it at its end.
    threading.Thread(target=run, name="tencentcloud-default-chain", daemon=True).start()
    return future.result(seconds)
