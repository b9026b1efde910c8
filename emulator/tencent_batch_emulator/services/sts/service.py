# SPDX-License-Identifier: Apache-2.0
"""
The STS service: AssumeRole and GetCallerIdentity.

Every well-formed role of an account that has a key here exists, and anyone who has a key may assume it, because the
emulator evaluates no permissions. A session policy is checked for being JSON and restricts nothing.

Sources, besides the SDK's list of error codes:

- https://cloud.tencent.com/document/product/1312/48197
- https://cloud.tencent.com/document/product/1312/66098
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import unquote

from msgspec import field

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.base import ApiError, Caller, Handler, Params
from tencent_batch_emulator.services.keys import KeyRing
from tencent_batch_emulator.services.tc3_schema import Tag, Tc3Struct, read

DEFAULT_DURATION = 7200
MAX_DURATION = 43200
"""Seconds."""

MAX_TAGS = 50

_ROLE = re.compile(
    r"qcs::cam::uin/(?P<account>[0-9]{1,18}):"
    r"(role|roleName|role/tencentcloudServiceRole|role/tencentcloudServiceRoleName)/(?P<name>[\w.@+=,-]{1,128})",
    re.ASCII,
)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,128}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,128}", re.ASCII)


class AssumeRole(Tc3Struct):
    """Field by field as the API documents it."""

    role_arn: str
    role_session_name: str
    duration_seconds: int = DEFAULT_DURATION
    policy: str | None = None
    external_id: str | None = None
    tags: list[Tag] = field(default_factory=list)
    source_identity: str | None = None


class GetCallerIdentity(Tc3Struct):
    """Takes nothing."""


@dataclass(frozen=True)
class Session:
    """
    Who uses a role's temporary key.

    :param role: The role's name, which here is its id, too.
    :param name: The session's name.
    :param principal: The account whose key has assumed the role.
    """

    role: str
    name: str
    principal: int


class StsService:
    """
    The actions of the STS API 2018-08-13 that say who somebody is.

    :param keys: Where temporary keys are kept; the fronts know them at once.
    :param clock: The emulator's clock, by which they end.
    """

    name = "sts"
    version = "2018-08-13"

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._actions: dict[str, Handler] = {
            "AssumeRole": self._assume_role,
            "GetCallerIdentity": self._get_caller_identity,
        }

    @property
    def actions(self) -> Mapping[str, Handler]:
        """Every action that is implemented, by its documented name."""
        return self._actions

    async def _assume_role(self, params: Params, caller: Caller) -> Params:
        request = read(params, AssumeRole)
        account, role = self._role_of(request.role_arn)
        _check(request)
        # The cloud answers in whole seconds, and the key ends when it says.
        expires = int(self._clock.time()) + request.duration_seconds
        key = self._keys.issue_temporary(account, expires)
        self._sessions[key.secret_id] = Session(role, request.role_session_name, caller.account)
        return {
            "Credentials": {"Token": key.token, "TmpSecretId": key.secret_id, "TmpSecretKey": key.secret_key},
            "ExpiredTime": expires,
            "Expiration": datetime.fromtimestamp(expires, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    async def _get_caller_identity(self, params: Params, caller: Caller) -> Params:
        read(params, GetCallerIdentity)
        account = str(caller.account)
        session = self._sessions.get(caller.secret_id)
        if session is None:
            # Every permanent key here is the account's own.
            return {
                "Type": "CAMUser",
                "AccountId": account,
                "UserId": account,
                "PrincipalId": account,
                "Arn": f"qcs::cam:{account}:uin/{account}",
            }
        return {
            "Type": "CAMRole",
            "AccountId": account,
            "UserId": f"{session.role}:{session.name}",
            "PrincipalId": str(session.principal),
            "Arn": f"qcs::sts:{account}:assumed-role/{session.role}",
        }

    def _role_of(self, role_arn: str) -> tuple[int, str]:
        found = _ROLE.fullmatch(role_arn)
        if found is None:
            raise ApiError("InvalidParameter.ParamError", f"RoleArn {role_arn[:200]!r} is not the name of a role.")
        account = int(found["account"])
        if not self._keys.has_account(account):
            raise ApiError("ResourceNotFound.RoleNotFound", f"There is no account {account} here, so no such role.")
        return account, found["name"]


def _check(request: AssumeRole) -> None:
    if not _SESSION_NAME.fullmatch(request.role_session_name):
        raise ApiError(
            "InvalidParameter.ParamError", "RoleSessionName must have 2 to 128 letters, digits and symbols +=,.@_-."
        )
    if request.duration_seconds > MAX_DURATION:
        raise ApiError("InvalidParameter.OverTimeError", f"DurationSeconds may be {MAX_DURATION} at the most.")
    if request.duration_seconds < 1:
        raise ApiError("InvalidParameter.ParamError", "DurationSeconds must be positive.")
    if request.external_id is not None and not _EXTERNAL_ID.fullmatch(request.external_id):
        raise ApiError(
            "InvalidParameter.ParamError", "ExternalId must have 2 to 128 letters, digits and symbols +=,.@:/_-."
        )
    names = [tag.key for tag in request.tags]
    if len(names) > MAX_TAGS or len(set(names)) < len(names):
        raise ApiError("InvalidParameter.ParamError", f"There may be {MAX_TAGS} Tags, each with a key of its own.")
    if request.policy is not None:
        _check_policy(request.policy)


def _check_policy(policy: str) -> None:
    try:
        content = json.loads(unquote(policy))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ApiError("InvalidParameter.StrategyFormatError", "Policy must be a URL-encoded JSON object.")
