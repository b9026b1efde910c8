# SPDX-License-Identifier: Apache-2.0
"""
Who may read what, as Airflow's own pages ask it. Only Airflow's API server imports this.

The rule that must not be relaxed: an app of a plugin inherits no check. It gets :func:`checks` for all its routes, and
shows rows of the DAGs in :func:`readable_dags` alone.

Source: ``api_fastapi/core_api/security.py``, which has no public contract. Since: before 3.1. It can go when Airflow
gives plugins such checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_asset, requires_access_dag
from fastapi import Depends

__all__ = ["GetUserDep", "asset_checks", "checks", "readable_dags"]


def checks() -> Sequence[Any]:
    """Return the dependencies that refuse who may not read task instances and XComs: 401, or 403."""
    return [
        Depends(requires_access_dag("GET", entity)) for entity in (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
    ]


def asset_checks() -> Sequence[Any]:
    """Return the dependencies that refuse who may not read assets."""
    return [Depends(requires_access_asset("GET"))]


def readable_dags(user: Any, session: Any) -> set[str]:
    """Return the ids of the DAGs that a user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)
