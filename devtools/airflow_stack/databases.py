# SPDX-License-Identifier: Apache-2.0
"""Which database the tests' Airflow is stored in: PostgreSQL, or what the variable ``DATABASE`` names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from devtools.airflow_stack.mysql_server import MysqlServer
from devtools.airflow_stack.postgres import PostgresServer
from devtools.airflow_stack.temporary_server import DatabaseServer

VARIABLE = "DATABASE"
DEFAULT = "postgresql"
SERVERS: Mapping[str, type[DatabaseServer]] = {DEFAULT: PostgresServer, "mysql": MysqlServer}


def chosen() -> str:
    """
    Return the name of the database.

    :raises ValueError: There is none of this name.
    """
    name = os.environ.get(VARIABLE) or DEFAULT
    if name not in SERVERS:
        raise ValueError(f"{VARIABLE} is {name!r}, must be one of {', '.join(SERVERS)}")
    return name


def database_server(log: Path) -> DatabaseServer:
    """
    Return a server of the chosen database, not yet started.

    :param log: The file that its output is appended to.
    """
    return SERVERS[chosen()](log)
