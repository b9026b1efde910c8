# SPDX-License-Identifier: Apache-2.0
"""
The console's routes, and who may read them.

On the loopback no key is needed, but a request must also *name* the loopback: a foreign web page whose host name was
made to point here must not read it. When the emulator can be reached from other machines, reading needs its key.
The paths are what the links of operators and hooks lead to; they do not change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tencent_batch_emulator.admin.admin_api import ask_for_key, is_owner
from tencent_batch_emulator.admin.request_log import RequestLog
from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.console import views
from tencent_batch_emulator.faults.rules import FaultPlan
from tencent_batch_emulator.loopback import is_loopback
from tencent_batch_emulator.services.batch.service import BatchService
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.keys import Key

_FOLDER = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_STATIC = {"style.css": "text/css", "live.js": "text/javascript"}
_CALLS_SHOWN = 500
_CALLS_ON_OVERVIEW = 15

Endpoint = Callable[[Request], Awaitable[Response]]


class Console:
    """
    Show what is there.

    :param broker: Queues and topics.
    :param batch: Jobs and environments.
    :param calls: The request log.
    :param plan: The faults.
    :param clock: The emulator's clock.
    :param region: The region that it plays.
    :param key: What readers need when the emulator is exposed; None when it is not.
    """

    def __init__(
        self,
        broker: Broker,
        batch: BatchService,
        calls: RequestLog,
        plan: FaultPlan,
        clock: Clock,
        region: str,
        key: Key | None,
    ) -> None:
        self._broker = broker
        self._batch = batch
        self._calls = calls
        self._plan = plan
        self._clock = clock
        self._region = region
        self._key = key
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["counts"] = views.counts
        self._templates.filters["time"] = views.clock_time

    @property
    def routes(self) -> list[Route]:
        """Where the pages are."""
        return [
            Route(path, self._guarded(endpoint), methods=["GET"])
            for path, endpoint in (
                ("/", self._overview),
                ("/console/jobs/{job_id}", self._job),
                ("/console/envs/{env_id}", self._env),
                ("/console/queues/{name}", self._queue),
                ("/console/topics/{name}", self._topic),
                ("/console/requests", self._requests),
                ("/console/static/{name}", self._static),
            )
        ]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            if self._key is not None:
                if not is_owner(request.headers.get("authorization", ""), self._key):
                    return ask_for_key()
            elif not is_loopback(request.headers.get("host", "")):
                return PlainTextResponse("The console answers only to the names of this machine itself.", 403)
            return await endpoint(request)

        return answer

    async def _overview(self, request: Request) -> Response:
        return self._page(
            "overview.html",
            queues=[views.queue_row(queue) for queue in self._broker.queues],
            topics=[views.topic_row(self._broker, topic) for topic in self._broker.topics],
            jobs=self._batch.job_rows(views.SHOWN),
            envs=self._batch.env_rows(),
            faults=self._plan.rules,
            calls=self._calls.last(_CALLS_ON_OVERVIEW),
            total=self._calls.count(),
        )

    async def _job(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        job = self._batch.job_page(job_id)
        if job is None:
            return self._missing("job", job_id)
        return self._page("job.html", job=job)

    async def _env(self, request: Request) -> Response:
        env_id = request.path_params["env_id"]
        for env in self._batch.env_rows():
            if env["EnvId"] == env_id:
                return self._page("env.html", env=env)
        return self._missing("compute environment", env_id)

    async def _queue(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            queue = self._broker.queues.get(name)
        except CmqFault:
            return self._missing("queue", name)
        return self._page("queue.html", queue=views.queue_page(self._broker, queue))

    async def _topic(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            topic = self._broker.topics.get(name)
        except CmqFault:
            return self._missing("topic", name)
        return self._page("topic.html", topic=views.topic_row(self._broker, topic))

    async def _requests(self, request: Request) -> Response:
        return self._page("requests.html", calls=self._calls.last(_CALLS_SHOWN), counters=self._calls.counters)

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            return self._missing("file", name)
        return FileResponse(_FOLDER / "static" / name, media_type=_STATIC[name], headers=_HEADERS)

    def _missing(self, kind: str, name: str) -> Response:
        return self._page("missing.html", 404, kind=kind, name=name)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        html = self._templates.get_template(template).render(
            region=self._region, now=views.clock_time(self._clock.time()), **values
        )
        return HTMLResponse(html, status, headers=_HEADERS)
