# SPDX-License-Identifier: Apache-2.0
"""
The app that the page gets its data from: read-only, in pages, behind Airflow's own checks.

Only Airflow's API server imports this module, at the first request. The rule that must not be relaxed: the checks are
those of the whole app, so that no route can be without, and FastAPI's own pages, which have none, are off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import FileResponse

from airflow_batch_events.airflow_compat.ui.access import GetUserDep, asset_checks, checks, readable_dags
from airflow_batch_events.airflow_compat.ui.rows import (
    Place,
    create_session,
    read_ended,
    read_open,
    read_watchers,
    read_xcoms,
)
from airflow_batch_events.links.console import BatchJobLink
from airflow_batch_events.plugins.views import (
    QUEUE_ARGUMENTS,
    SHOWN_ARGUMENTS,
    ended_view,
    open_view,
    queue_views,
    watcher_view,
)

PACKAGE = "airflow_batch_events"
JOB_LINK = BatchJobLink().xcom_key
OUTCOMES = ("batch_outcome", "return_value", "outcome")
"""The XComs that may hold how a wait ended."""

MAX_OPEN = 2_000
"""Open waits that are looked at, from the oldest on."""

MAX_ENDED = 500
"""Ended waits that are looked at, from the latest on."""

HOURS = 24
"""How far back the waits that have ended are looked at."""

MAX_WATCHERS = 500
MAX_PAGE = 100
"""Rows of a page at the most."""

Offset = Annotated[int, Query(ge=0, le=MAX_OPEN)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def make_app() -> FastAPI:
    """Return the app."""
    app = FastAPI(title="Batch events", docs_url=None, redoc_url=None, openapi_url=None, dependencies=checks())
    app.get("/page.js")(page)
    app.get("/queues")(queues)
    app.get("/waits")(waits)
    app.get("/ended")(ended)
    app.get("/watchers", dependencies=asset_checks())(watchers)
    return app


def page() -> FileResponse:
    """Return the page's module."""
    # Asked for again each time: a cached one of an older version may not fit the data.
    path = Path(__file__).with_name("page.js")
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "no-cache"})


def queues(user: GetUserDep) -> dict[str, Any]:
    """Return each queue with its health."""
    now = _now()
    with create_session() as session:
        dag_ids = readable_dags(user, session)
        found = [open_view(wait, now) for wait in _open(session, dag_ids)]
        return {
            "queues": queue_views(found, _ended(session, dag_ids, now)),
            "open": len(found),
            "is_cut": len(found) == MAX_OPEN,
            "hours": HOURS,
        }


def waits(user: GetUserDep, offset: Offset = 0, limit: Limit = 25) -> dict[str, Any]:
    """Return open waits, the oldest first."""
    now = _now()
    with create_session() as session:
        found = _open(session, readable_dags(user, session))
        rows = [open_view(wait, now) for wait in found[offset : offset + limit]]
        return {"rows": _with_links(session, rows), "total": len(found)}


def ended(user: GetUserDep, offset: Offset = 0, limit: Limit = 25) -> dict[str, Any]:
    """Return waits that have ended, the latest first."""
    with create_session() as session:
        found = _ended(session, readable_dags(user, session), _now())
        return {"rows": _with_links(session, found[offset : offset + limit]), "total": len(found)}


def watchers() -> dict[str, Any]:
    """Return the watchers."""
    with create_session() as session:
        return {"rows": list(map(watcher_view, read_watchers(session, PACKAGE, QUEUE_ARGUMENTS, limit=MAX_WATCHERS)))}


def _open(session: Any, dag_ids: set[str]) -> Any:
    return read_open(session, dag_ids, PACKAGE, SHOWN_ARGUMENTS, limit=MAX_OPEN)


def _ended(session: Any, dag_ids: set[str], now: datetime) -> list[dict[str, Any]]:
    since = now - timedelta(hours=HOURS)
    tasks = read_ended(session, dag_ids, JOB_LINK, QUEUE_ARGUMENTS, since=since, limit=MAX_ENDED)
    stored = read_xcoms(session, [task.place for task in tasks], OUTCOMES)
    return [ended_view(task, stored.get(task.place, {}), OUTCOMES) for task in tasks]


def _with_links(session: Any, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the links to the console that the tasks have written."""
    places = [Place(*(row[name] for name in Place._fields)) for row in rows]
    stored = read_xcoms(session, places, [JOB_LINK])
    links = [stored.get(place, {}).get(JOB_LINK, ("", None))[0] for place in places]
    return [{**row, "console": _web_address(link)} for row, link in zip(rows, links, strict=True)]


def _web_address(link: object) -> str | None:
    # Whoever may write an XCom must not make others run a script.
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else None


def _now() -> datetime:
    return datetime.now(timezone.utc)
