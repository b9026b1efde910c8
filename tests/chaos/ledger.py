# SPDX-License-Identifier: Apache-2.0
"""
The ledger of a scenario: what the emulator knows to be true, beside what each wait concluded.

The truth is written down where it arises, before any fault can touch it, and never read from what the waits see.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tencent_batch_emulator.emulator import Emulator

STATES = {"JOB_SUCCEED": "SUCCEED", "JOB_FAILED": "FAILED", "JOB_FAILED_INTERRUPTED": "FAILED_INTERRUPTED"}

WAITING_CALLS = ("BatchReceiveMessage", "BatchDeleteMessage", "DescribeJobs")
"""What waiting may cost; submitting and ending jobs is not part of it."""


@dataclass(frozen=True)
class Row:
    """
    A scenario's result.

    :param waits: Waits that were begun; a killed and repeated one counts once.
    :param right: Concluded what is true, or was cancelled and its job was ended.
    :param wrong: Concluded something else, now or when it was repeated, or concluded after it was cancelled.
    :param lost: Neither.
    :param late: Seconds from the job's end, or from the beginning of a wait that began later, to the wait's end, of the
        wait that took longest; of cancelled waits, from there to their jobs' ends.
    :param median: The same of the wait in the middle.
    :param calls: Receive, delete and describe calls.
    :param calls_per_job: Those by the number of jobs.
    :param describes: The describe calls among them.
    :param terminates: TerminateJob calls, those included that the API turned away.
    :param seconds: How long the scenario took.
    """

    scenario: str
    waits: int
    right: int
    wrong: int
    lost: int
    late: float
    median: float
    calls: int
    calls_per_job: float
    describes: int
    terminates: int
    seconds: float
    wrongs: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-serializable data."""
        return asdict(self)


class WatchedEmulator(Emulator):
    """An emulator that writes down every event that it is about to publish."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.ends: dict[str, list[tuple[str, float]]] = {}
        self.bodies: dict[str, list[str]] = {}
        self._ended = asyncio.Condition()

    async def wait_for_ends(self, jobs: int) -> None:
        """Return when so many jobs have ended."""
        async with self._ended:
            await self._ended.wait_for(lambda: len(self.ends) >= jobs)

    async def _publish(self, topic_name: str, body: str) -> None:
        event = json.loads(body)["Events"][0]
        if state := STATES.get(event["EventName"]):
            job_id = event["Batch"]["JobId"]
            self.ends.setdefault(job_id, []).append((state, self.clock.time()))
            self.bodies.setdefault(job_id, []).append(body)
            async with self._ended:
                self._ended.notify_all()
        await super()._publish(topic_name, body)


@dataclass
class Ledger:
    """
    Take what the waits conclude, and judge it at the end.

    :param emulator: It knows the truth.
    """

    emulator: WatchedEmulator
    waits: dict[str, str] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    concluded: dict[str, list[tuple[float, Mapping[str, Any]]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    cancelled_at: float = 0.0

    def begin(self, wait_id: str, job_id: str) -> None:
        """Note a wait that begins; one that is repeated after a kill has begun long ago."""
        self.waits[wait_id] = job_id
        self.began.setdefault(wait_id, self.emulator.clock.time())

    def conclude(self, wait_id: str, payload: Mapping[str, Any]) -> None:
        """Note what a wait has fired."""
        self.concluded.setdefault(wait_id, []).append((self.emulator.clock.time(), payload))

    def cancel(self) -> None:
        """Note that the open waits were ended, and their jobs with them: from now on nothing may fire."""
        self.cancelled.update(self.open_waits)
        self.cancelled_at = self.emulator.clock.time()

    @property
    def open_waits(self) -> list[str]:
        """The waits that have neither concluded nor been cancelled."""
        return [wait_id for wait_id in self.waits if wait_id not in self.concluded and wait_id not in self.cancelled]

    def judge(self, scenario: str, seconds: float) -> Row:
        """Compare all conclusions with the truth."""
        wrongs = []
        lateness = []
        for wait_id, firings in self.concluded.items():
            job_id = self.waits[wait_id]
            allowed, ended_at = self._truth(job_id)
            if wait_id in self.cancelled:
                wrongs.append(f"{wait_id} fired although it was cancelled: {firings}")
                continue
            for _, payload in firings:
                said = _said(payload)
                if said not in allowed:
                    wrongs.append(f"{wait_id} for {job_id}: {payload}; true is {sorted(allowed)}")
                    break
            lateness.append(firings[0][0] - max(ended_at, self.began[wait_id]))
        for wait_id in self.cancelled - set(self.concluded):
            allowed, ended_at = self._truth(self.waits[wait_id])
            lateness.append(ended_at - self.cancelled_at)
            if allowed != {"FAILED"}:
                wrongs.append(f"{wait_id} was cancelled, but {self.waits[wait_id]} is {sorted(allowed) or 'not ended'}")
        lateness.sort()
        calls = Counter({action: self.emulator.requests.count(action) for action in WAITING_CALLS})
        jobs = len(set(self.waits.values())) or 1
        return Row(
            scenario=scenario,
            waits=len(self.waits),
            right=len(self.waits) - len(self.open_waits) - len(wrongs),
            wrong=len(wrongs),
            lost=len(self.open_waits),
            late=round(lateness[-1], 2) if lateness else 0.0,
            median=round(lateness[len(lateness) // 2], 2) if lateness else 0.0,
            calls=sum(calls.values()),
            calls_per_job=round(sum(calls.values()) / jobs, 2),
            describes=calls["DescribeJobs"],
            terminates=self.emulator.requests.count("TerminateJob"),
            seconds=round(seconds, 1),
            wrongs=wrongs,
        )

    def _truth(self, job_id: str) -> tuple[set[str], float]:
        """Return what a wait may say about the job, and when that became true."""
        ends = self.emulator.ends.get(job_id)
        if not ends:
            return set(), self.emulator.clock.time()
        state, ended_at = ends[-1]
        if job_id in self.deleted:
            return {state, "NOT_FOUND"}, ended_at
        page = self.emulator.batch.job_page(job_id)
        if page is None or page["JobState"] != state:
            raise AssertionError(f"the emulator announced {state} for {job_id}, which it does not show: {page}")
        return {state}, ended_at


def _said(payload: Mapping[str, Any]) -> str:
    outcomes = payload.get("outcomes") or []
    if payload.get("status") != "ended" or len(outcomes) != 1 or outcomes[0]["job_id"] != payload["job_id"]:
        return "something else"
    state = str(outcomes[0]["state"])
    return state if outcomes[0]["succeeded"] is (state == "SUCCEED") else "a contradiction"
