# SPDX-License-Identifier: Apache-2.0
"""
Ask STS who we are, and assume a role there: one temporary key for each role and process, renewed before it ends.

How long a key lasts is measured from the cloud's own time, so a machine with a wrong clock renews neither late nor all
the time. While STS does not answer, a key that has not ended is handed out; no call waits for STS without need.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_batch_events.exceptions import (
    ApiError,
    ApiServerError,
    ApiThrottledError,
    CallTimeoutError,
    CloudError,
    ConfigurationError,
    CredentialsError,
)
from airflow_batch_events.limits import DEFAULT_ROLE_DURATION, MAX_ROLE_DURATION, MAX_ROLE_TEXT
from airflow_batch_events.protocol.apis.request import Request
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.credentials.access import CloudAccess, Key
from airflow_batch_events.protocol.credentials.settings import key_part, text_of
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.times import EARLIEST, LATEST

log = logging.getLogger(__name__)

DEFAULT_SESSION_NAME = "airflow-batch-events"

RENEW_BEFORE = 300.0
"""Seconds before its end at which a key is renewed; half its life for one that is shorter than twice that."""

TRY_AGAIN_AFTER = 30.0
"""Seconds between tries to renew a key that has not ended."""

MIN_AGE = 1.0
"""Seconds for which a key that is refused stays, so that many refusals at once lead to one new key."""

MIN_LIFE = 60.0
"""Seconds for which a key is used at the least, unless it is refused."""

CALL_TIMEOUT, MAX_CALL_TIMEOUT = 10.0, 40.0
"""Seconds for a call of STS, and the most that it gets after others have taken too long."""

_MAX_SESSIONS = 64
_SHOWN = 100
"""Characters of a field that cannot be right which an error repeats."""

_ARN = re.compile(r"qcs::[!-~]{1,1000}")
_SESSION_NAME = re.compile(rf"[\w+=,.@-]{{2,{MAX_ROLE_TEXT}}}", re.ASCII)
_EXTERNAL_ID = re.compile(rf"[\w+=,.@:/-]{{2,{MAX_ROLE_TEXT}}}", re.ASCII)


@dataclass(frozen=True)
class Role:
    """
    A role to assume.

    :param arn: For example ``qcs::cam::uin/100000000001:roleName/airflow``.
    :param session_name: What the cloud's audit log calls the session; 2 to 128 letters, digits and ``+=,.@_-``.
    :param duration_seconds: How long a key lasts, at most 43,200 s; the role may allow less.
    :param external_id: What the role's trust policy may ask of callers from another account.
    :param source: Where the role was named, for messages.
    :raises ConfigurationError: When one of them cannot be right; it names ``source`` and the field.
    """

    arn: str
    session_name: str = DEFAULT_SESSION_NAME
    duration_seconds: int = DEFAULT_ROLE_DURATION
    external_id: str | None = field(default=None, repr=False)
    source: str = field(default="the given settings", compare=False)

    def __post_init__(self) -> None:
        for name, value in (("role_arn", self.arn), ("role_session_name", self.session_name)):
            text_of(self.source, name, value)
        if self.external_id is not None:
            text_of(self.source, "role_external_id", self.external_id)
        if isinstance(self.duration_seconds, bool) or not isinstance(self.duration_seconds, int):
            raise ConfigurationError(
                f"{self.source}: role_duration_seconds is of type {type(self.duration_seconds).__name__} but must be "
                f"whole seconds"
            )
        if not _ARN.fullmatch(self.arn):
            raise ConfigurationError(
                f"{self.source}: role_arn is {self.arn[:_SHOWN]!r} but must look like "
                f"qcs::cam::uin/100000000001:roleName/airflow"
            )
        if not _SESSION_NAME.fullmatch(self.session_name):
            raise ConfigurationError(
                f"{self.source}: role_session_name is {self.session_name[:_SHOWN]!r} but must have 2 to "
                f"{MAX_ROLE_TEXT} letters, digits and +=,.@_-"
            )
        if not 1 <= self.duration_seconds <= MAX_ROLE_DURATION:
            raise ConfigurationError(
                f"{self.source}: role_duration_seconds is {self.duration_seconds} but must be 1 to {MAX_ROLE_DURATION}"
            )
        if self.external_id is not None and not _EXTERNAL_ID.fullmatch(self.external_id):
            raise ConfigurationError(
                f"{self.source}: role_external_id must have 2 to {MAX_ROLE_TEXT} letters, digits and +=,.@:/_-"
            )


@dataclass(frozen=True)
class TemporaryKey:
    """
    What STS answers.

    :param key: What requests are signed with.
    :param expires: Unix seconds of the cloud's time at which it ends.
    """

    key: Key
    expires: float


def assume_role(role: Role) -> Request[TemporaryKey]:
    """Return the request for a temporary key of the role."""
    params: dict[str, Any] = {
        "RoleArn": role.arn,
        "RoleSessionName": role.session_name,
        "DurationSeconds": role.duration_seconds,
    }
    if role.external_id is not None:
        params["ExternalId"] = role.external_id
    return Request("sts", "AssumeRole", params, _read, repeatable=True)


def _read(answer: dict[str, Any]) -> TemporaryKey:
    parts = answer["Credentials"]
    names = ("TmpSecretId", "TmpSecretKey", "Token")
    secret_id, secret_key, token = (key_part("the answer of STS", name, parts[name]) for name in names)
    expires = float(answer["ExpiredTime"])
    if not EARLIEST <= expires <= LATEST:
        raise ValueError("ExpiredTime is no time")
    return TemporaryKey(Key(secret_id, secret_key, token), expires)


def get_caller_account() -> Request[str]:
    """
    Return the request for the account that the signing key belongs to, whichever of its users or roles made it.

    Source: API page 1312/66098, 20 requests a second.
    """
    return Request("sts", "GetCallerIdentity", {}, _account_id, repeatable=True)


def _account_id(answer: dict[str, Any]) -> str:
    account = answer["AccountId"]
    if not isinstance(account, str) or not account.strip():
        raise ValueError(f"AccountId is no text but {type(account).__name__}")
    return account.strip()


class _Session:
    """The present key of one role, shared by all threads of the process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.key: Key | None = None
        self.timeout = CALL_TIMEOUT
        self.issued = self.renew_at = self.ends = float("-inf")

    def is_good(self, refused: Key | None, now: float) -> bool:
        if self.key is None or now >= self.ends:
            return False
        return self.key != refused or now - self.issued < MIN_AGE


_guard = threading.Lock()
_sessions: dict[Hashable, _Session] = {}


def assume(base: CloudAccess, role: Role, refused: Key | None = None) -> CloudAccess:
    """
    Return an access with a temporary key of the role; blocks while one is fetched.

    :param base: Whose key assumes the role, and where; stays the access's place.
    :param role: The role.
    :param refused: A key that the cloud does not take any more.
    :raises CredentialsError: When STS refuses; it names the role and the ways out.
    :raises CloudError: When STS does not answer and there is no key that has not ended.
    """
    session = _session((role, base.secret_id, base.sts_endpoint))
    with session.lock:
        now = time.monotonic()
        is_good = session.is_good(refused, now)
        if not is_good or now >= session.renew_at:
            try:
                _renew(session, base, role)
            except CloudError as error:
                if not is_good:
                    raise
                session.renew_at = time.monotonic() + TRY_AGAIN_AFTER
                log.warning("The role %s cannot be assumed, its last key is used: %s", role.arn, error)
        if session.key is None:
            raise RuntimeError("a renewal sets the key or raises")
        return replace(
            base,
            secret_id=session.key.secret_id,
            secret_key=session.key.secret_key,
            token=session.key.token,
            role_arn=role.arn,
            identity=f"role {role.arn}, assumed with {base.identity}",
            renew_at=session.renew_at,
        )


def _renew(session: _Session, base: CloudAccess, role: Role) -> None:
    clock = CloudClock()
    with SdkClient(replace(base, renewal=None), timeout=session.timeout, retry=NO_RETRY, clock=clock) as client:
        try:
            temporary = client.send(assume_role(role))
        except (ApiServerError, ApiThrottledError):
            raise
        except CallTimeoutError:
            session.timeout = min(2 * session.timeout, MAX_CALL_TIMEOUT)
            raise
        except ApiError as error:
            raise CredentialsError(
                f"{base.source}: the role {role.arn} cannot be assumed with {base.identity}: {error}. Correct "
                f"role_arn, or let the key call sts:AssumeRole and name its owner in the role's trust policy"
            ) from error
    now = time.monotonic()
    session.timeout = CALL_TIMEOUT
    # A key that seems to have ended when it comes must not be asked for with every call.
    lasts = max(temporary.expires - clock.told(), MIN_LIFE)
    session.key, session.issued, session.ends = temporary.key, now, now + lasts
    session.renew_at = session.ends - min(RENEW_BEFORE, lasts / 2)
    log.info("Assumed the role %s with %s for %.0f s", role.arn, base.identity, lasts)


def _session(name: Hashable) -> _Session:
    with _guard:
        if name not in _sessions and len(_sessions) >= _MAX_SESSIONS:
            now = time.monotonic()
            for old in [one for one, session in _sessions.items() if now >= session.ends]:
                del _sessions[old]
        return _sessions.setdefault(name, _Session())
