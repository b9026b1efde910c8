# SPDX-License-Identifier: Apache-2.0
"""
The emulator in one object: clock, keys, faults, queues, Batch, the request log, and the port that they answer on.

Everything runs in the event loop that started it. Nothing is answered before it is complete, and after :meth:`stop`
nothing is left: no socket, no task, no child process, no directory that it made itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import structlog
from starlette.applications import Starlette

from tencent_batch_emulator.admin.admin_api import AdminApi, answer_failure
from tencent_batch_emulator.admin.request_log import RequestLog
from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.console.pages import Console
from tencent_batch_emulator.faults.fault_injecting_broker import FaultInjectingBroker
from tencent_batch_emulator.faults.rules import FaultPlan
from tencent_batch_emulator.http.cmq_endpoint import CmqEndpoint
from tencent_batch_emulator.http.rate_limits import RateLimiter, RateLimits
from tencent_batch_emulator.http.server import Router, Server
from tencent_batch_emulator.http.signatures import DataPlaneVerifier, Tc3Verifier
from tencent_batch_emulator.http.tc3_endpoint import Tc3Endpoint
from tencent_batch_emulator.loopback import is_loopback
from tencent_batch_emulator.services.base import Service
from tencent_batch_emulator.services.batch.runners import Runner
from tencent_batch_emulator.services.batch.runners.directories import prepare_work_dir
from tencent_batch_emulator.services.batch.runners.process import ProcessRunner
from tencent_batch_emulator.services.batch.runners.scripted import Script, ScriptedRunner
from tencent_batch_emulator.services.batch.service import BatchService
from tencent_batch_emulator.services.batch.settings import Delays, Quotas
from tencent_batch_emulator.services.cmq.service import CmqService
from tencent_batch_emulator.services.keys import Key, KeyRing
from tencent_batch_emulator.services.sts.service import StsService
from tencent_batch_emulator.services.tdmq.service import TdmqService

log = structlog.get_logger(__name__)

REGION = "ap-guangzhou"

T = TypeVar("T")

RunnerKind = Literal["process", "scripted"]


class Emulator:
    """
    A small Tencent Cloud, as an asynchronous context manager::

        async with Emulator(runner="scripted") as emulator:
            print(emulator.endpoint, emulator.secret_id, emulator.secret_key)
            emulator.faults.drop_next("JOB_SUCCEED")
            emulator.clock.advance(31)

    :param host: The address to listen on.
    :param port: The port; 0 for a free one.
    :param expose: Allow a host that other machines can reach. Anyone who has the key can then run commands here.
    :param region: The region that events and environments name.
    :param secret_id: A fixed id for the key instead of a random one; begins with ``AKID``.
    :param secret_key: The fixed key that goes with it.
    :param clock: The emulator's time; a running clock that starts now by default.
    :param seed: For ids, the order of messages, and what the fault plan leaves to chance; drawn by default.
    :param runner: ``process`` really runs the commands of jobs, ``scripted`` plays them; or a runner of one's own.
    :param script: What the scripted runner does, by pattern of the job's name.
    :param work_dir: Where the process runner keeps the directories of jobs, which only this user can enter; a temporary
        one by default. One that belongs to somebody else, or that others may write in, is refused.
    :param max_parallel: How many instances run at once; None for what the runner thinks fit.
    :param delays: How long the steps of jobs and environments take.
    :param quotas: How much an account may have.
    :param rate_limits: ``cn`` or ``intl`` for the rates that the documentation lists; None for no limits.
    :param services: Further TC3 services.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        expose: bool = False,
        region: str = REGION,
        secret_id: str | None = None,
        secret_key: str | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        runner: RunnerKind | Runner = "process",
        script: Mapping[str, Script] | None = None,
        work_dir: str | Path | None = None,
        max_parallel: int | None = None,
        delays: Delays | None = None,
        quotas: Quotas | None = None,
        rate_limits: RateLimits | None = None,
        services: Sequence[Service] = (),
    ) -> None:
        if not is_loopback(host) and not expose:
            raise ValueError(
                f"the emulator runs commands for anyone who has its key, so it listens on the loopback only; to let "
                f"other machines reach {host} all the same, say expose=True (--expose on the command line)"
            )
        self.region = region
        self.clock = clock or Clock()
        self.seed = secrets.randbits(32) if seed is None else seed
        self.keys = KeyRing()
        self.key: Key = self.keys.create(secret_id=secret_id, secret_key=secret_key)
        self.faults = FaultPlan(self.clock, self.seed)
        self.requests = RequestLog()
        self.broker = FaultInjectingBroker(self.clock, self.faults, account=self.key.account, seed=self.seed)
        self._host = host
        self._port = port
        self._runner = runner
        self._script = script
        self._work_dir = work_dir
        self._max_parallel = max_parallel
        self._delays = delays
        self._quotas = quotas
        self._rate_limits = rate_limits
        self._services = services
        self._batch: BatchService | None = None
        self._server: Server | None = None
        self._running = contextlib.AsyncExitStack()

    def __repr__(self) -> str:
        return f"<Emulator {self.endpoint if self._server else 'not started'}>"

    async def __aenter__(self) -> Emulator:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def secret_id(self) -> str:
        """The id of the key that the emulator made at its start."""
        return self.key.secret_id

    @property
    def secret_key(self) -> str:
        """That key's secret."""
        return self.key.secret_key

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._started(self._server).port

    @property
    def host(self) -> str:
        """Host and port, as clients without a scheme want them: ``127.0.0.1:4321``."""
        # A wildcard is for listening; clients on this machine go to the loopback.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self._host, self._host)  # noqa: S104
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Where all its services are: ``http://127.0.0.1:4321``."""
        return f"http://{self.host}"

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach it."""
        return not is_loopback(self._host)

    @property
    def batch(self) -> BatchService:
        """The Batch service."""
        return self._started(self._batch)

    async def start(self) -> None:
        """
        Serve; returns when the port answers.

        :raises OSError: When the address cannot be bound, or the work directory is not this user's own.
        """
        if self._server is not None:
            raise RuntimeError("this emulator runs already; make another one for another port")
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.broker.close)
            runner = await self._make_runner(stack)
            batch = BatchService(
                self.clock,
                self._publish,
                runner,
                region=self.region,
                delays=self._delays,
                quotas=self._quotas,
                seed=self.seed,
            )
            stack.push_async_callback(batch.close)
            server = Server(self._make_router(batch), self._host, self._port)
            await server.start()
            stack.push_async_callback(server.stop)
            self._batch, self._server = batch, server
            self._running = stack.pop_all()
        if self.is_exposed:
            log.warning(
                "THE EMULATOR CAN BE REACHED FROM OTHER MACHINES: anyone who has its key can run commands here as you",
                host=self._host,
                port=self.port,
            )

    async def stop(self) -> None:
        """Cut all connections, end all child processes, and stop; harmless when it does not run."""
        await self._running.aclose()
        self._server = self._batch = None

    async def _publish(self, topic_name: str, body: str) -> None:
        await self.broker.publish(topic_name, body)

    async def _make_runner(self, stack: contextlib.AsyncExitStack) -> Runner:
        if self._runner == "scripted":
            return ScriptedRunner(self.clock, self._script, max_parallel=self._max_parallel)
        if self._runner != "process":
            return self._runner
        work_dir = self._work_dir
        if work_dir is None:
            work_dir = await asyncio.to_thread(tempfile.mkdtemp, prefix="batch-emulator-")
            stack.push_async_callback(asyncio.to_thread, shutil.rmtree, work_dir, ignore_errors=True)
        work_dir = await asyncio.to_thread(prepare_work_dir, work_dir)
        return ProcessRunner(work_dir, max_parallel=self._max_parallel)

    def _make_router(self, batch: BatchService) -> Router:
        services: list[Service] = [
            batch,
            TdmqService(self.broker),
            StsService(self.keys, self.clock),
            *self._services,
        ]
        tc3 = Tc3Endpoint(
            services,
            Tc3Verifier(self.keys, self.clock),
            self.faults,
            RateLimiter(self._rate_limits, self.clock),
            self.clock,
        )
        cmq = CmqEndpoint(CmqService(self.broker), DataPlaneVerifier(self.keys, self.clock), self.faults, self.clock)
        admin = AdminApi(self.key, self.requests, self.faults, self.clock)
        console = Console(
            self.broker,
            batch,
            self.requests,
            self.faults,
            self.clock,
            self.region,
            self.key if self.is_exposed else None,
        )
        pages = Starlette(routes=[*admin.routes, *console.routes], exception_handlers={Exception: answer_failure})
        return Router(tc3, cmq, pages, self.requests, self.clock)

    def _started(self, part: T | None) -> T:
        if part is None:
            raise RuntimeError("the emulator does not run: enter its context, or await start(), first")
        return part
