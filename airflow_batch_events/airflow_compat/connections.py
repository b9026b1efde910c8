# SPDX-License-Identifier: Apache-2.0
"""Read connections, where Airflow's own way to them has a gap."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_batch_events.airflow_compat.exceptions import AirflowNotFoundException
from airflow_batch_events.airflow_compat.triggerer import in_thread, undisturbed
from airflow_batch_events.protocol.late_import import imported

if TYPE_CHECKING:
    from airflow.sdk import Connection

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""
What Airflow raises for a connection whose JSON or URI it cannot read; the texts quote it, passwords included.

Source: ``sdk/definitions/connection.py``, line 385, which lets through whatever parsing raises. Since: before 3.1. It
can go when Airflow raises one exception for it, without the text.
"""


async def aget_connection(conn_id: str) -> Connection:
    """
    Read a connection in a trigger, and in a trigger that ``dag.test()`` runs.

    In ``dag.test()`` the asynchronous way does not reach the connections in the database, and says that there are none.

    Source: ``sdk/execution_time/context.py``, lines 259 to 296. Since: before 3.1. It can go when
    ``dag.test()`` reads them.

    :param conn_id: The connection.
    :raises AirflowNotFoundException: When there is none.
    """
    # What it imports itself, on the event loop.
    with suppress(ImportError):
        await imported("airflow.sdk.definitions.connection", "asgiref.sync", "airflow.sdk.execution_time.cache")
    try:
        return await undisturbed(BaseHook.aget_connection(conn_id))
    except AirflowNotFoundException:
        return await in_thread(BaseHook.get_connection, conn_id)


def get_connection_outside_tasks(conn_id: str) -> Any:
    """
    Read a connection in a command line: from the environment, the secrets backends or Airflow's database.

    The SDK's own way reaches the database only through a supervisor, which a command line has not.

    Source: ``models/connection.py``, line 462. Since: before 3.1. It can go when the SDK reads connections outside
    tasks.

    :param conn_id: The connection.
    :raises AirflowNotFoundException: When there is none.
    """
    # This sets Airflow's server side up, which takes seconds.
    from airflow.models import Connection

    return Connection.get_connection_from_secrets(conn_id)
