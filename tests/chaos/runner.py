# SPDX-License-Identifier: Apache-2.0
"""
Run one scenario: an emulated cloud here, triggers in processes of their own, faults and actions at their times.

A scenario is data; everything that all of them need is here. Time is real, because kills and long polls are, and chance
comes from the scenario's name, so that a failure can be repeated.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from chaos.child import Surroundings, run_triggerer
from chaos.ledger import Ledger, Row, WatchedEmulator
from support.emulator_helpers import PLACEMENT, announced_job
from support.spoiling_proxy import Call, Reply, Spoil, SpoilingProxy

from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.retry import RetryPolicy
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.provisioning.queue_names import HOSTNAME, fill_in
from devtools.emulator_process import CloudAddress
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays, Quotas

TOPIC = "chaos-topic"
QUEUE = "chaos-queue"
QUEUE_OF_HOST = f"{QUEUE}-{HOSTNAME}"

INTERRUPT = " interrupt"
"""At the end of a command: the job ends FAILED_INTERRUPTED instead of FAILED."""

DEFAULT_QUEUE = tdmq.QueueSettings()

READY_LIMIT = 60.0
"""Seconds that a process may take to import Airflow on a busy machine."""

# Importing Airflow takes seconds: most processes are forked from one that has done it. One with a wrong clock is not,
# because its modules must see no other clock.
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["airflow_batch_events.triggers.batch", "chaos.child"])
_FRESH = multiprocessing.get_context("spawn")

Action = Callable[["Run"], Awaitable[None]]
Spoiler = Callable[["Run"], Spoil]
"""Makes what a proxy before the emulator does to its answers, from when the waits have begun."""


@dataclass(frozen=True)
class Scenario:
    """
    What goes wrong.

    :param name: In the table and in the test's name.
    :param faults: In force from the beginning.
    :param actions: What is done at which second after the waits began.
    :param before: What is done when the jobs were submitted, before the waits begin.
    :param triggerers: Processes that share the waits and the queue.
    :param skew: Seconds by which their clocks are wrong.
    :param waits_per_job: Waits for each job, spread over the processes.
    :param command: Makes a job's command; by default a mixture of outcomes within a few seconds.
    :param trigger: Further arguments of the triggers.
    :param queue: The queue's settings.
    :param queue_for_each: Whether each process has a queue of its own, named after its host.
    :param settings: Constants of the package that are changed in the processes, ``module.NAME``.
    :param spoiler: What happens to answers that the fault plan cannot do.
    :param timeout: Seconds that the waits may take, by the cloud's time; None for waits without a deadline.
    :param limit: Seconds after which an open wait is lost.
    :param late: Seconds beyond the truth that no wait may take; not stretched.
    :param only_long: Whether the short form leaves it out, because it takes too long.
    """

    name: str
    faults: Sequence[Fault] = ()
    actions: Sequence[tuple[float, Action]] = ()
    before: Action | None = None
    triggerers: int = 1
    skew: float = 0.0
    waits_per_job: int = 1
    command: Callable[[random.Random], str] | None = None
    trigger: dict[str, Any] | None = None
    queue: tdmq.QueueSettings = DEFAULT_QUEUE
    queue_for_each: bool = False
    settings: Mapping[str, float] = field(default_factory=dict)
    spoiler: Spoiler | None = None
    timeout: float | None = None
    limit: float = 30.0
    late: float | None = None
    only_long: bool = False

    def host(self, place: int) -> str:
        """Return what the process in that place calls the machine."""
        return f"host-{place}.example.com"

    @property
    def queue_names(self) -> list[str]:
        """All queues that are read."""
        if not self.queue_for_each:
            return [QUEUE]
        return [fill_in(QUEUE_OF_HOST, self.host(place)) for place in range(self.triggerers)]


@dataclass(frozen=True)
class Scale:
    """
    How large a scenario is.

    :param jobs: Jobs.
    :param spread: Seconds over which they end.
    :param stretch: Factor on all other durations.
    :param outage: Seconds that faults last which end by themselves.
    :param kills: How often a process is killed where processes are killed.
    :param foreign: Messages of others in the queue where there are such.
    """

    jobs: int = 100
    spread: float = 3.0
    stretch: float = 1.0
    outage: float = 3.0
    kills: int = 5
    foreign: int = 2_000


SHORT = Scale()
LONG = Scale(jobs=1_000, spread=15.0, stretch=4.0, outage=60.0, kills=20, foreign=100_000)


class Triggerer:
    """One process with triggers, and the pipe to it."""

    def __init__(self, log: Path, around: Surroundings) -> None:
        context = _FRESH if around.skew else _FORKED
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=run_triggerer, args=(theirs, str(log), around), daemon=True)
        self.process.start()
        theirs.close()
        self.reports: asyncio.Queue[tuple[Any, ...] | None] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self.pipe, self._read)

    def _read(self) -> None:
        try:
            self.reports.put_nowait(self.pipe.recv())
        except (EOFError, OSError):
            self.close()
            self.reports.put_nowait(None)

    def close(self) -> None:
        """Read nothing more."""
        if not self.pipe.closed:
            asyncio.get_running_loop().remove_reader(self.pipe)
            self.pipe.close()

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await asyncio.to_thread(self.process.join)


class Run:
    """A scenario under way; what its actions act on."""

    def __init__(self, scenario: Scenario, scale: Scale, emulator: WatchedEmulator, api: AsyncSdkClient, logs: Path):
        self.scenario = scenario
        self.scale = scale
        self.emulator = emulator
        self.api = api
        self.ledger = Ledger(emulator)
        self.rng = random.Random(scenario.name)
        self.job_ids: list[str] = []
        self.cancelled: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._address = CloudAddress(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.region)
        self._logs = logs
        self._triggerers: list[Triggerer] = []
        self._listeners: set[asyncio.Task[None]] = set()
        self._places: dict[str, int] = {}
        self._all_concluded = asyncio.Event()
        self._waits_began: float | None = None

    # What actions use.

    async def submit(self) -> None:
        """Submit the jobs."""
        gate = asyncio.Semaphore(8)

        async def one(command: str) -> str:
            async with gate:
                return await self.api.send(batch.submit_job(make_job(command), PLACEMENT))

        make = self.scenario.command or self._mixture
        self.job_ids += await asyncio.gather(*(one(make(self.rng)) for _ in range(self.scale.jobs)))

    async def wait(self) -> None:
        """Begin the waits."""
        for number in range(self.scenario.waits_per_job):
            for index, job_id in enumerate(self.job_ids):
                wait_id = f"wait-{number}-{index}"
                self.ledger.begin(wait_id, job_id)
                self._places[wait_id] = (index + number) % self.scenario.triggerers
        for place in range(self.scenario.triggerers):
            self._order_waits(place)

    async def wait_for_ends(self) -> None:
        """Return when all jobs have ended once."""
        await self.emulator.wait_for_ends(len(self.job_ids))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds."""
        while not condition():  # noqa: ASYNC110 - what the emulator counts has no event
            await asyncio.sleep(0.05)

    async def restart(self, place: int = 0) -> None:
        """Kill a process and start another one with what had not been reported."""
        await self._triggerers[place].kill()
        await self.start_triggerer(place)
        self._order_waits(place)

    async def retire(self, place: int) -> None:
        """Kill a process for good; the one after it gets what had not been reported."""
        await self._triggerers[place].kill()
        heir = (place + 1) % self.scenario.triggerers
        moved = [wait_id for wait_id in self.ledger.open_waits if self._places[wait_id] == place]
        self._places.update(dict.fromkeys(moved, heir))
        self._order(heir, moved)

    @property
    def waited(self) -> float | None:
        """Seconds since the waits began; None before."""
        return None if self._waits_began is None else time.monotonic() - self._waits_began

    async def block_subscriber(self) -> None:
        """Let somebody in the first process see all messages, and never take one."""
        self._triggerers[0].pipe.send(("block", QUEUE))
        await self.until(lambda: self.emulator.requests.count("BatchReceiveMessage") > 0)

    async def cancel_all(self) -> None:
        """End all waits at once, as a user does who marks their tasks as failed."""
        self.ledger.cancel()
        self._triggerers[0].pipe.send(("cancel",))

    # The frame.

    @asynccontextmanager
    async def behind_proxy(self, spoiler: Spoiler) -> AsyncIterator[None]:
        """Let the processes reach the emulator only through what spoils its answers."""
        spoil = spoiler(self)

        def spoil_answers(call: Call) -> Reply | Awaitable[Reply | None] | None:
            return None if self._waits_began is None else spoil(call)

        async with SpoilingProxy(self.emulator.endpoint, spoil_answers) as proxy:
            self._address = replace(self._address, endpoint=proxy.endpoint)
            yield

    async def start_triggerer(self, place: int) -> None:
        """Start a process and wait until it takes orders."""
        scenario = self.scenario
        around = Surroundings(self._address.connection(), scenario.skew, scenario.host(place), scenario.settings)
        triggerer = Triggerer(self._logs / f"triggerer-{place}.log", around)
        self._triggerers[place : place + 1] = [triggerer]
        ready = await asyncio.wait_for(triggerer.reports.get(), READY_LIMIT)
        if ready != ("ready",):
            raise RuntimeError(f"a triggerer ended before it began; its log: {self._logs}")
        listener = asyncio.ensure_future(self._listen(triggerer))
        self._listeners.add(listener)

    async def play(self) -> Row:
        """Do all of it, and judge."""
        scenario, stretch = self.scenario, self.scale.stretch
        for place in range(scenario.triggerers):
            await self.start_triggerer(place)
        began = time.monotonic()
        for fault in scenario.faults:
            outage = None if fault.duration is None else self.scale.outage
            self.emulator.faults.add(msgspec.structs.replace(fault, after=fault.after * stretch, duration=outage))
        await self.submit()
        if scenario.before is not None:
            await scenario.before(self)
        await self.wait()
        waits_began = self._waits_began = time.monotonic()
        for at, action in sorted(scenario.actions, key=lambda step: step[0]):
            await asyncio.sleep(max(0.0, waits_began + at * stretch - time.monotonic()))
            await action(self)
        end = asyncio.ensure_future(self._all_concluded.wait())
        await asyncio.wait(
            (end, self.cancelled),
            timeout=max(1.0, waits_began + scenario.limit * stretch - time.monotonic()),
            return_when=asyncio.FIRST_COMPLETED,
        )
        end.cancel()
        return self.ledger.judge(scenario.name, time.monotonic() - began)

    async def close(self) -> None:
        """End every process."""
        for triggerer in self._triggerers:
            await triggerer.kill()
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        for triggerer in self._triggerers:
            triggerer.close()

    async def _listen(self, triggerer: Triggerer) -> None:
        while (report := await triggerer.reports.get()) is not None:
            if report[0] == "fired":
                self.ledger.conclude(report[1], report[2])
                if not self.ledger.open_waits:
                    self._all_concluded.set()
            elif report[0] == "cancelled":
                self.cancelled.set_result(report[1])

    def _order_waits(self, place: int) -> None:
        self._order(place, [wait_id for wait_id in self.ledger.open_waits if self._places[wait_id] == place])

    def _order(self, place: int, wait_ids: Sequence[str]) -> None:
        arguments = {
            "queue_name": QUEUE_OF_HOST if self.scenario.queue_for_each else QUEUE,
            "reconcile_interval": 3.0 * self.scale.stretch,
            **(self.scenario.trigger or {}),
        }
        if self.scenario.timeout is not None:
            arguments["deadline"] = self.emulator.clock.time() + self.scenario.timeout
        waits = {wait_id: {"job_id": self.ledger.waits[wait_id], **arguments} for wait_id in wait_ids}
        self._triggerers[place].pipe.send(("wait", waits))

    def _mixture(self, rng: random.Random) -> str:
        outcome, suffix = rng.choice((("succeed", ""), ("succeed", ""), ("failed", ""), ("failed", INTERRUPT)))
        return f"scripted: outcome={outcome} duration={0.5 + rng.random() * self.scale.spread:.2f}{suffix}"


def make_job(command: str) -> dict[str, Any]:
    """Return a job that runs one scripted command and announces its end."""
    # A job that fails interrupted has settled, too, although it still holds its instance.
    action = "INTERRUPT" if command.endswith(INTERRUPT) else "TERMINATE"
    return announced_job(command.removesuffix(INTERRUPT), TOPIC, name="chaos", failed_action=action)


async def subscribe(api: AsyncSdkClient, scenario: Scenario) -> None:
    """Create the queues and let the topic forward to them."""
    for name in scenario.queue_names:
        await api.send(tdmq.create_queue(name, scenario.queue))
        await api.send(tdmq.create_subscription(TOPIC, f"to-{name}", name))


async def run_scenario(scenario: Scenario, scale: Scale, logs: Path) -> tuple[Run, Row]:
    """
    Play a scenario from an empty cloud to the end of all its processes.

    :param logs: A folder for the processes' output.
    """
    emulator = WatchedEmulator(
        runner="scripted",
        delays=Delays.none(),
        quotas=Quotas(jobs=100_000),
        seed=random.Random(scenario.name).getrandbits(32),
    )
    async with emulator:
        address = CloudAddress(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.region)
        async with AsyncSdkClient(address.access(), retry=RetryPolicy(retries=3)) as api:
            await api.send(tdmq.create_topic(TOPIC))
            await subscribe(api, scenario)
            run = Run(scenario, scale, emulator, api, logs)
            async with run.behind_proxy(scenario.spoiler) if scenario.spoiler else nullcontext():
                try:
                    return run, await run.play()
                finally:
                    await run.close()
