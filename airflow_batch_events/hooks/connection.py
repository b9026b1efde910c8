# SPDX-License-Identifier: Apache-2.0
"""
Turn an Airflow connection of type ``tencentcloud`` into a :class:`CloudAccess`, in a task and in a trigger.

Only named keys of the connection's extra are read: whoever may edit a connection must not be able to choose files or
callables. That is why ``verify`` is true or false here, and the CA bundle is a setting of the deployment.

In a trigger the connection is read, and its key looked up, once for all waits, because the triggerer serves such reads
one by one. What is made from an access asks here again (:class:`ConnectionRenewal`): a key that was exchanged in the
connection reaches clients that run for weeks.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import amask_secret, mask_secret

from airflow_batch_events.exceptions import ConfigurationError, CredentialsError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_batch_events.protocol.account import Account
    from airflow_batch_events.protocol.credentials import CloudAccess, Key
    from airflow_batch_events.protocol.sts import Role

# Every DAG file that imports an operator imports this module, so the clients are imported where they are needed.

CONN_TYPE = "tencentcloud"
DEFAULT_CONN_ID = "tencentcloud_default"

REREAD_AFTER = 60.0
"""Seconds after which a trigger reads a connection again."""


CONFIG_SECTION = "batch_events"


def account_from_connection(connection: Connection, region: str | None = None) -> Account:
    """
    Read a connection, without looking anything up.

    :param connection: Of type ``tencentcloud``: SecretId as login, SecretKey as password, the rest in extra.
    :param region: Overrides the connection's region.
    :raises ConfigurationError: Naming the connection and the field.
    """
    from airflow_batch_events.protocol.account import Account

    source = f"connection {connection.conn_id!r}"
    if connection.conn_type != CONN_TYPE:
        raise ConfigurationError(f"{source} is of type {connection.conn_type!r}: it must be of type {CONN_TYPE!r}")
    extra = connection.extra_dejson
    region = region or extra.get("region")
    if not region:
        raise ConfigurationError(
            f"{source} has no region: set 'region' in its extra, for example ap-guangzhou, or the task's region"
        )
    return Account(
        place={
            "region": region,
            "cmq_endpoint": extra.get("cmq_endpoint") or None,
            "batch_endpoint": extra.get("batch_endpoint") or None,
            "tdmq_endpoint": extra.get("tdmq_endpoint") or None,
            "sts_endpoint": extra.get("sts_endpoint") or None,
            "verify": _verification(extra, source),
            "proxy": extra.get("proxy") or None,
            "source": source,
        },
        key=_key(connection, source),
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
    access = account_from_connection(connection, region).resolve(refused)
    for secret in _secrets_of(access):
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
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error
    access = access_from_connection(connection, region, refused=refused)
    return replace(access, renewal=ConnectionRenewal(conn_id, region))


async def aget_access(conn_id: str, region: str | None = None, *, refused: CloudAccess | None = None) -> CloudAccess:
    """
    Read a connection in a trigger; concurrent and repeated reads within a minute share one.

    The parameters are those of :func:`get_access`.

    :raises ConfigurationError: Naming the connection, and the field or how to create it.
    :raises CloudError: When a role cannot be assumed, because STS does not answer.
    """
    reads = _reads.setdefault(asyncio.get_running_loop(), {})
    known = reads.get((conn_id, region))
    if known is None or known.is_stale(refused):
        known = reads[conn_id, region] = _Read(conn_id, region, refused)
    return await asyncio.shield(known.task)


@dataclass(frozen=True)
class ConnectionRenewal:
    """
    Read a connection again.

    :param conn_id: The connection.
    :param region: Overrides the connection's region.
    """

    conn_id: str
    region: str | None

    def renew(self, refused: CloudAccess | None) -> CloudAccess:
        """Return the access as the connection has it now; may block."""
        return get_access(self.conn_id, self.region, refused=refused)

    async def arenew(self, refused: CloudAccess | None) -> CloudAccess:
        """Return the access as the connection has it now, from a read that all triggers share."""
        return await aget_access(self.conn_id, self.region, refused=refused)


class _Read:
    """One read of a connection, and one look-up of its key, which any number of triggers await."""

    def __init__(self, conn_id: str, region: str | None, refused: CloudAccess | None) -> None:
        self._began = time.monotonic()
        self.task = asyncio.ensure_future(_aread(conn_id, region, refused, self._began + REREAD_AFTER))

    def is_stale(self, refused: CloudAccess | None) -> bool:
        """Whether another read could bring another access."""
        from airflow_batch_events.protocol import sts

        if not self.task.done():
            return False
        if self.task.cancelled() or self.task.exception() is not None:
            return True
        access, now = self.task.result(), time.monotonic()
        if access.renew_at is not None and now >= access.renew_at:
            return True
        return refused is not None and refused.key == access.key and now - self._began >= sts.MIN_AGE


_reads: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str | None], _Read]] = (
    weakref.WeakKeyDictionary()
)


async def _aread(conn_id: str, region: str | None, refused: CloudAccess | None, reread_at: float) -> CloudAccess:
    try:
        connection = await _aget_connection(conn_id)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error
    access = await account_from_connection(connection, region).aresolve(refused)
    for secret in _secrets_of(access):
        await amask_secret(secret)
    renew_at = reread_at if access.renew_at is None else min(reread_at, access.renew_at)
    return replace(access, renew_at=renew_at, renewal=ConnectionRenewal(conn_id, region))


async def _aget_connection(conn_id: str) -> Connection:
    try:
        return await BaseHook.aget_connection(conn_id)
    except AirflowNotFoundException:
        # A task test has no asynchronous way to the connections in the database.
        return await asyncio.to_thread(BaseHook.get_connection, conn_id)


def _key(connection: Connection, source: str) -> Key | None:
    from airflow_batch_events.protocol.credentials import Key

    login, password = connection.login, connection.password
    token = connection.extra_dejson.get("token") or None
    if login and password:
        return Key(login, password, token)
    if login or password or token:
        field = "login (SecretId)" if not login else "password (SecretKey)"
        raise CredentialsError(
            f"{source} has no {field}: fill it in, or leave SecretId, SecretKey and token empty for the machine's key"
        )
    return None


def _role(extra: Mapping[str, Any], source: str) -> Role | None:
    from airflow_batch_events.protocol import sts

    arn = extra.get("role_arn")
    if not arn:
        return None
    duration = extra.get("role_duration_seconds") or sts.DEFAULT_DURATION
    try:
        seconds = int(duration)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{source}: role_duration_seconds is {duration!r} but must be a number") from None
    return sts.Role(
        str(arn),
        session_name=str(extra.get("role_session_name") or sts.DEFAULT_SESSION_NAME),
        duration_seconds=seconds,
        external_id=extra.get("role_external_id") or None,
        source=source,
    )


def _verification(extra: Mapping[str, Any], source: str) -> bool | str:
    verify = extra.get("verify")
    if verify is None or verify == "" or verify is True or str(verify).lower() == "true":
        return conf.get(CONFIG_SECTION, "ca_bundle", fallback="") or True
    if verify is False or str(verify).lower() == "false":
        return False
    raise ConfigurationError(
        f"{source}: verify must be true or false; the path of a CA bundle belongs into Airflow's configuration, "
        f"[{CONFIG_SECTION}] ca_bundle"
    )


_masked: set[int] = set()


def _secrets_of(access: CloudAccess) -> Iterator[str]:
    """Return what has to be masked and was not yet; Airflow masks only what it finds in a connection itself."""
    proxy_password = urlsplit(access.proxy).password if access.proxy is not None else None
    for secret in (access.secret_key, access.token, proxy_password):
        if secret and hash(secret) not in _masked:
            _masked.add(hash(secret))
            yield secret


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
