# SPDX-License-Identifier: Apache-2.0
"""
Turn an Airflow connection of type ``tencentcloud`` into a :class:`CloudAccess`, in a task and in a trigger.

Only named keys of the connection's extra are read: whoever may edit a connection must not be able to choose files or
callables. In a trigger the connection is read once for all waits, because the triggerer serves such reads one by one.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_batch_events.exceptions import ConfigurationError, CredentialsError
from airflow_batch_events.protocol.credentials import CloudAccess

if TYPE_CHECKING:
    from airflow.sdk import Connection

CONN_TYPE = "tencentcloud"
DEFAULT_CONN_ID = "tencentcloud_default"

REREAD_AFTER = 60.0
"""Seconds after which a trigger reads a connection again."""


def access_from_connection(connection: Connection, region: str | None = None) -> CloudAccess:
    """
    Read a connection.

    :param connection: Of type ``tencentcloud``: SecretId as login, SecretKey as password, the rest in extra.
    :param region: Overrides the connection's region.
    :raises ConfigurationError: Naming the connection and the field.
    """
    source = f"connection {connection.conn_id!r}"
    if connection.conn_type != CONN_TYPE:
        raise ConfigurationError(f"{source} is of type {connection.conn_type!r}: it must be of type {CONN_TYPE!r}")
    extra = connection.extra_dejson
    if not connection.login or not connection.password:
        field = "login (SecretId)" if not connection.login else "password (SecretKey)"
        raise CredentialsError(f"{source} has no {field}: fill it in")
    region = region or extra.get("region")
    if not region:
        raise ConfigurationError(
            f"{source} has no region: set 'region' in its extra, for example ap-guangzhou, or the task's region"
        )
    return CloudAccess(
        secret_id=connection.login,
        secret_key=connection.password,
        region=region,
        token=extra.get("token") or None,
        source=source,
        cmq_endpoint=extra.get("cmq_endpoint") or None,
        batch_endpoint=extra.get("batch_endpoint") or None,
        tdmq_endpoint=extra.get("tdmq_endpoint") or None,
    )


def get_access(conn_id: str, region: str | None = None) -> CloudAccess:
    """
    Read a connection in a task.

    :raises ConfigurationError: Naming the connection, and the field or how to create it.
    """
    try:
        return access_from_connection(BaseHook.get_connection(conn_id), region)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error


async def aget_access(conn_id: str, region: str | None = None) -> CloudAccess:
    """
    Read a connection in a trigger; concurrent and repeated reads within a minute share one.

    :raises ConfigurationError: Naming the connection, and the field or how to create it.
    """
    reads = _reads.setdefault(asyncio.get_running_loop(), {})
    known = reads.get(conn_id)
    if known is None or known.is_stale:
        known = reads[conn_id] = _Read(conn_id)
    try:
        return access_from_connection(await asyncio.shield(known.task), region)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error


class _Read:
    """One read of a connection, which any number of triggers await."""

    def __init__(self, conn_id: str) -> None:
        self.task = asyncio.ensure_future(_aget_connection(conn_id))
        self._began = time.monotonic()

    @property
    def is_stale(self) -> bool:
        has_failed = self.task.done() and (self.task.cancelled() or self.task.exception() is not None)
        return has_failed or time.monotonic() - self._began > REREAD_AFTER


_reads: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Read]] = weakref.WeakKeyDictionary()


async def _aget_connection(conn_id: str) -> Connection:
    try:
        return await BaseHook.aget_connection(conn_id)
    except AirflowNotFoundException:
        # A task test has no asynchronous way to the connections in the database.
        return await asyncio.to_thread(BaseHook.get_connection, conn_id)


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
