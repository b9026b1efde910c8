# SPDX-License-Identifier: Apache-2.0
"""
The plugin that Airflow discovers: a page in the UI, and the app that it gets its data from.

Every Airflow process imports this module: schedulers, DAG processors, and each worker for each task. So it must import
nothing that these do not have already; the app is made at its first request, in the API server.

Airflow finds it by the entry point ``airflow.plugins`` alone. Named in the provider's metadata as well, it would be
loaded twice with ``[core] lazy_discover_providers = False``, and Airflow would complain.
"""

from __future__ import annotations

import threading
from typing import Any

from airflow_batch_events.airflow_compat.configuration import CONFIG_SECTION, conf
from airflow_batch_events.airflow_compat.ui.plugin import AirflowPlugin, address_in_ui

NAME = "Batch"
"""What the page is called in the menu, and its component in the browser."""

PREFIX = "/batch-events"
"""Where the app is, below Airflow's own address."""

ROUTE = "batch"
"""Where the page is: ``/plugin/batch``."""


class LazyApp:
    """An ASGI app that is imported at its first request."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        if self._app is None:
            import asyncio

            # What it imports takes a while, for which the other requests need not wait.
            await asyncio.to_thread(self._load)
        await self._app(scope, receive, send)

    def _load(self) -> None:
        with self._lock:
            if self._app is None:
                from airflow_batch_events.plugins.api import make_app

                self._app = make_app()


def is_wanted() -> bool:
    """Whether the page is there: ``[batch_events] ui``, True by default."""
    return bool(conf.getboolean(CONFIG_SECTION, "ui", fallback=True))


APPS = [{"name": "Batch events", "app": LazyApp(), "url_prefix": PREFIX}]
PAGES = [
    {
        "name": NAME,
        "bundle_url": address_in_ui(f"{PREFIX}/page.js"),
        "destination": "nav",
        "category": "browse",
        "url_route": ROUTE,
    }
]


class BatchPagePlugin(AirflowPlugin):
    """The page "Batch" in the menu "Browse"."""

    name = "batch_events"
    fastapi_apps = APPS if is_wanted() else []
    react_apps = PAGES if is_wanted() else []
