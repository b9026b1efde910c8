# SPDX-License-Identifier: Apache-2.0
"""
Turn an Airflow connection of type ``tencentcloud`` into a :class:`CloudAccess`, in a task and in a trigger.

Only named keys of the connection's extra are read: a user who may edit connections must not be able to choose files or
callables. That is why ``verify`` is true or false here, and the CA bundle is a setting of the deployment.

In a trigger the connection is read, and its key looked up, once for all waits, because the triggerer serves such reads
one by one. What is made from an access asks here again (:class:`ConnectionRenewal`): a key that was exchanged in the
connection reaches clients that run for weeks.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_batch_events.airflow_compat.configuration import CONFIG_SECTION, conf
from airflow_batch_events.airflow_compat.connections import UNREADABLE, aget_connection
from airflow_batch_events.airflow_compat.exceptions import AirflowNotFoundException
from airflow_batch_events.airflow_compat.masking import amask_secret, mask_secret
from airflow_batch_events.exceptions import ConfigurationError, CredentialsError
from airflow_batch_events.limits import DEFAULT_ROLE_DURATION
from airflow_batch_events.protocol.credentials.settings import console_of, endpoint_of, key_part, region_of
from airflow_batch_events.protocol.late_import import imported
from airflow_batch_events.protocol.per_loop import PerLoop

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_batch_events.protocol.credentials.access import CloudAccess, Key
    from airflow_batch_events.protocol.credentials.credential_source import CredentialSource
    from airflow_batch_events.protocol.credentials.sts import Role

# Every DAG file that imports an operator imports this module, so the clients are imported where they are needed.

CONN_TYPE = "tencentcloud"
DEFAULT_CONN_ID = "tencentcloud_default"

REREAD_AFTER = 60.0
"""Seconds after which a trigger reads a connection again."""


def account_from_connection(connection: Connection, region: str | None = None) -> CredentialSource:
    """
    Read a connection, without looking anything up.

    :param connection: Of type ``tencentcloud``: SecretId as login, SecretKey as password, the rest in extra.
    :param region: Overrides the connection's region.
    :raises ConfigurationError: Naming the connection and the field.
    """
    from airflow_batch_events.protocol.credentials.credential_source import CredentialSource

    source = f"connection {connection.conn_id!r}"
    if connection.conn_type != CONN_TYPE:
        raise ConfigurationError(f"{source} is of type {connection.conn_type!r}: it must be of type {CONN_TYPE!r}")
    extra = _extra(connection, source)
    region = extra.get("region") if region is None or region == "" else region
    if not _is_given(region):
        raise ConfigurationError(
            f"{source} has no region: set 'region' in its extra, for example ap-guangzhou, or the task's region"
        )
    return CredentialSource(
        endpoints={
            "region": region_of(source, region),
            "cmq_endpoint": _endpoint(extra, "cmq_endpoint", source),
            "batch_endpoint": _endpoint(extra, "batch_endpoint", source),
            "tdmq_endpoint": _endpoint(extra, "tdmq_endpoint", source),
            "sts_endpoint": _endpoint(extra, "sts_endpoint", source),
            "cos_endpoint": _endpoint(extra, "cos_endpoint", source),
            "console_url": _console(extra, source),
            "verify": _verification(extra, source),
            "proxy": _proxy(extra, source),
            "source": source,
        },
        key=_key(connection, extra, source),
        role=_role(extra, source),
    )


def access_from_connection(
    connection: Connection, region: str | None = None, *, refused: CloudAccess | None = None
) -> CloudAccess:
    """
    Read a connection and look up what it does not say itself: the machine's key, a role's temporary one; may block.

    :param connection: As :func:`account_from_connection` takes it.
    :param region: Overrides the connection's region.
    :param refused: The access whose key the cloud does not take any more.
    :raises ConfigurationError: Naming the connection and the field.
    :raises CloudError: When a role cannot be assumed, because STS does not answer.
    """
    account = account_from_connection(connection, region)
    # Before anything is looked up, and again for what was found.
    for secret in _unmasked(_secrets_of_account(account)):
        mask_secret(secret)
    access = account.resolve(refused)
    for secret in _unmasked((access.secret_key, access.token)):
        mask_secret(secret)
    return access


def get_access(conn_id: str, region: str | None = None, *, refused: CloudAccess | None = None) -> CloudAccess:
    """
    Read a connection in a task.

    :param conn_id: The connection.
    :param region: Overrides the connection's region.
    :param refused: The access whose key the cloud does not take any more.
    :raises ConfigurationError: Naming the connection, and the field or how to create it.
    :raises CloudError: When a role cannot be assumed, because STS does not answer.
    """
    connection: Connection | None = None
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error
    except UNREADABLE as error:
        kind = type(error).__name__
    if connection is None:
        raise _unreadable(conn_id, kind)
    access = access_from_connection(connection, region, refused=refused)
    return replace(access, renewal=TaskConnectionRenewal(conn_id, region))


async def aget_access(conn_id: str, region: str | None = None, *, refused: CloudAccess | None = None) -> CloudAccess:
    """
    Read a connection in a trigger; concurrent and repeated reads within a minute share one.

    The parameters are those of :func:`get_access`.

    :raises ConfigurationError: Naming the connection, and the field or how to create it.
    :raises CloudError: When a role cannot be assumed, because STS does not answer.
    """
    for name, value in (("tencentcloud_conn_id", conn_id), ("region", region or "")):
        if not isinstance(value, str):
            raise ConfigurationError(f"{name} is a {type(value).__name__}, must be text")
    key = (conn_id, region)
    read = _reads.get(key, lambda: _Read(conn_id, region, refused), lambda read: not read.is_stale(refused))
    return await asyncio.shield(read.task)


@dataclass(frozen=True)
class ConnectionRenewal:
    """
    Read a connection again, in a trigger.

    :param conn_id: The connection.
    :param region: Overrides the connection's region.
    """

    conn_id: str
    region: str | None

    async def arenew(self, refused: CloudAccess | None) -> CloudAccess:
        """Return the access as the connection has it now, from a read that all triggers share."""
        return await aget_access(self.conn_id, self.region, refused=refused)


@dataclass(frozen=True)
class TaskConnectionRenewal(ConnectionRenewal):
    """Read a connection again, in a task, which has no asynchronous way to connections."""

    async def arenew(self, refused: CloudAccess | None) -> CloudAccess:
        """Return the access as the connection has it now."""
        return await asyncio.to_thread(get_access, self.conn_id, self.region, refused=refused)


class _Read:
    """One read of a connection, and one look-up of its key, which any number of triggers await."""

    def __init__(self, conn_id: str, region: str | None, refused: CloudAccess | None) -> None:
        self._began = time.monotonic()
        self.task = asyncio.ensure_future(_aread(conn_id, region, refused, self._began + REREAD_AFTER))

    def is_stale(self, refused: CloudAccess | None) -> bool:
        """Whether another read could bring another access."""
        if not self.task.done():
            return False
        from airflow_batch_events.protocol.credentials import sts

        if self.task.cancelled() or self.task.exception() is not None:
            return True
        access, now = self.task.result(), time.monotonic()
        if access.renew_at is not None and now >= access.renew_at:
            return True
        return refused is not None and refused.key == access.key and now - self._began >= sts.MIN_AGE


_reads: PerLoop[tuple[str, str | None], _Read] = PerLoop()


async def _aread(conn_id: str, region: str | None, refused: CloudAccess | None, reread_at: float) -> CloudAccess:
    connection: Connection | None = None
    await imported("airflow_batch_events.protocol.credentials.credential_source")
    try:
        connection = await aget_connection(conn_id)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error
    except UNREADABLE as error:
        kind = type(error).__name__
    if connection is None:
        raise _unreadable(conn_id, kind)
    account = account_from_connection(connection, region)
    for secret in _unmasked(_secrets_of_account(account)):
        await amask_secret(secret)
    access = await account.aresolve(refused)
    for secret in _unmasked((access.secret_key, access.token)):
        await amask_secret(secret)
    renew_at = reread_at if access.renew_at is None else min(reread_at, access.renew_at)
    return replace(access, renew_at=renew_at, renewal=ConnectionRenewal(conn_id, region))


def _extra(connection: Connection, source: str) -> dict[str, Any]:
    value: Any = connection.extra
    # A text in the text is an object that was encoded twice.
    for _ in range(2):
        if isinstance(value, str):
            value = _decoded(value, source) if value.strip() else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{source}: extra is of type {type(value).__name__} but must be a JSON object")
    return value


def _decoded(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    raise ConfigurationError(f"{source}: extra is no JSON: it must be a JSON object")


def _is_given(value: object) -> bool:
    """Whether a field was filled in; Airflow's form leaves an empty text or null."""
    return value is not None and value != ""


def _key(connection: Connection, extra: Mapping[str, Any], source: str) -> Key | None:
    from airflow_batch_events.protocol.credentials.access import Key

    login, password, token = connection.login, connection.password, extra.get("token")
    if _is_given(login) and _is_given(password):
        return Key(
            key_part(source, "login (SecretId)", login),
            key_part(source, "password (SecretKey)", password),
            key_part(source, "token", token) if _is_given(token) else None,
        )
    if any(map(_is_given, (login, password, token))):
        field = "login (SecretId)" if not _is_given(login) else "password (SecretKey)"
        raise CredentialsError(
            f"{source} has no {field}: fill it in, or leave SecretId, SecretKey and token empty for the machine's key"
        )
    return None


def _endpoint(extra: Mapping[str, Any], name: str, source: str) -> str | None:
    value = extra.get(name)
    return endpoint_of(source, name, value) if _is_given(value) else None


def _console(extra: Mapping[str, Any], source: str) -> str | None:
    value = extra.get("console_url")
    return console_of(source, "console_url", value) if _is_given(value) else None


def _proxy(extra: Mapping[str, Any], source: str) -> str | None:
    from airflow_batch_events.protocol.credentials.proxy import parse_proxy

    value = extra.get("proxy")
    if not _is_given(value):
        return None
    parse_proxy(source, "proxy", value)
    return str(value)


def _role(extra: Mapping[str, Any], source: str) -> Role | None:
    from airflow_batch_events.protocol.credentials import sts

    given = {name: value for name, value in extra.items() if _is_given(value)}
    if "role_arn" not in given:
        return None
    duration = given.get("role_duration_seconds", DEFAULT_ROLE_DURATION)
    return sts.Role(
        given["role_arn"],
        session_name=given.get("role_session_name", sts.DEFAULT_SESSION_NAME),
        duration_seconds=_whole_seconds(duration, source),
        external_id=given.get("role_external_id"),
        source=source,
    )


def _whole_seconds(value: object, source: str) -> int:
    # A form's field is text, and so is what a URI holds.
    seconds = float(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds == seconds // 1:
        return int(seconds)
    shown = repr(value[:100]) if isinstance(value, str) else f"of type {type(value).__name__}"
    raise ConfigurationError(f"{source}: role_duration_seconds is {shown} but must be whole seconds")


def _verification(extra: Mapping[str, Any], source: str) -> bool | str:
    verify = extra.get("verify")
    if not _is_given(verify) or verify is True or str(verify).lower() == "true":
        return conf.get(CONFIG_SECTION, "ca_bundle", fallback="") or True
    if verify is False or str(verify).lower() == "false":
        return False
    raise ConfigurationError(
        f"{source}: verify must be true or false; the path of a CA bundle belongs into Airflow's configuration, "
        f"[{CONFIG_SECTION}] ca_bundle"
    )


_masked: set[int] = set()


def _unmasked(secrets: Iterable[str | None]) -> Iterator[str]:
    """Return what has to be masked and was not yet; Airflow masks only what it finds in a connection itself."""
    for secret in secrets:
        if secret and hash(secret) not in _masked:
            _masked.add(hash(secret))
            yield secret


def _secrets_of_account(account: CredentialSource) -> Iterator[str | None]:
    from airflow_batch_events.protocol.credentials.proxy import parse_proxy, secrets_of_environment

    if account.key is not None:
        yield from (account.key.secret_key, account.key.token)
    if account.role is not None:
        yield account.role.external_id
    if account.endpoints["proxy"] is not None:
        yield from parse_proxy(account.endpoints["source"], "proxy", account.endpoints["proxy"]).secrets
    yield from secrets_of_environment()


def _unreadable(conn_id: str, kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"connection {conn_id!r} cannot be read ({kind}): check its JSON or URI; the fields are conn_type "
        f"({CONN_TYPE!r}), login, password and extra"
    )


def missing(conn_id: str) -> ConfigurationError:
    """Return the error for a connection that does not exist."""
    return ConfigurationError(
        f"connection {conn_id!r} does not exist: create it with type {CONN_TYPE!r}, SecretId as login, SecretKey as "
        f"password and the region in extra"
    )


class TencentCloudHook(BaseHook):
    """
    What the hooks share: the connection.

    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region, for example ``ap-guangzhou``.
    """

    conn_name_attr = "tencentcloud_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = "Tencent Cloud"

    def __init__(self, tencentcloud_conn_id: str = DEFAULT_CONN_ID, region: str | None = None) -> None:
        super().__init__()
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    @cached_property
    def access(self) -> CloudAccess:
        """
        Who we are and where.

        :raises ConfigurationError: Naming the connection and the field.
        """
        return get_access(self.tencentcloud_conn_id, self.region)
