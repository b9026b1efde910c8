# SPDX-License-Identifier: Apache-2.0
"""
A runner without processes: outcomes, durations and exit codes are told beforehand.

A job says it in its command::

    scripted: outcome=failed duration=3 exit_code=2 stderr='no such file'
    scripted: outcome=failed failure=bad_image
    scripted: memory=6 spot=reclaimed

or a mapping says it for names of jobs, ``{"nightly-*": {"duration": 3}, "*": {"outcome": "hang"}}`` (the first pattern
that fits counts; a command that is a script wins). Every other command succeeds at once. One run costs one timer of
the emulator's clock, no task and no thread; that is what allows ten thousand jobs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from tencent_batch_emulator.clock import Clock, Timer
from tencent_batch_emulator.services.batch.runners import NO_LOGS, Ended, Logs, OnEnd, Work

PREFIX = "scripted:"

SIGKILL, SIGSEGV = 137, 139

FAILURES = {
    "out_of_memory": Ended(SIGKILL, "the command was ended by SIGKILL, because it was out of memory", "command failed"),
    "signal": Ended(SIGSEGV, "the command was ended by SIGSEGV"),
    "timeout": Ended(None, "the command ran longer than its Timeout", "timeout"),
    "no_capacity": Ended(
        None, "InternalError.CallCvm:ResourceInsufficient: no server of this type is left", "CVM creation failed"
    ),
    "bad_image": Ended(
        None,
        "InternalError.CallCvm:InvalidImageId.NotFound: the image img-badimage cannot be used",
        "CVM creation failed",
    ),
    "dependence": Ended(None, "PRE_TASK_SUCCEED cannot be met any more", "dependence not met"),
    "heartbeat": Ended(None, "first heartbeat timeout", "heartbeat lost"),
    "reclaimed": Ended(None, "the spot instance was reclaimed", "heartbeat lost"),
    "terminated": Ended(None, "the instance was terminated on request", "terminated by user"),
    "unexplained": Ended(None, "", ""),
}
"""
How executions fail that nobody stops and no machine lets down, by name, for a client that has to tell them apart.

Except for ``first heartbeat timeout``, which is in the description of DescribeTask, the vendor publishes no reason's
text. These are the emulator's own, and the same where it fails an instance by itself.
https://cloud.tencent.com/document/product/599/15905
"""


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    How the executions of an instance go.

    :param outcome: ``succeed``, ``failed``, or ``hang`` (until it is stopped).
    :param duration: Seconds until it ends.
    :param exit_code: 0 for success and 1 for failure when it is left out.
    :param failure: How it fails: a name in :data:`FAILURES`. An ``exit_code`` takes the place of its own.
    :param memory: GiB that it needs; on a smaller machine it fails as ``out_of_memory``.
    :param spot: ``reclaimed`` fails it on a machine that the cloud may take back (``SPOTPAID``).
    :param fail_first: This many executions of an instance fail before the outcome counts, to try retries.
    :param stdout: What it prints.
    :param stderr: What it complains about.
    """

    outcome: Literal["succeed", "failed", "hang"] = "succeed"
    duration: float = 0.0
    exit_code: int | None = None
    failure: str | None = None
    memory: float = 0.0
    spot: Literal["kept", "reclaimed"] = "kept"
    fail_first: int = 0
    stdout: str = ""
    stderr: str = ""

    def __post_init__(self) -> None:
        if self.failure is not None and self.failure not in FAILURES:
            raise ValueError(f"failure is {self.failure!r}, must be one of {', '.join(FAILURES)}")

    def ended(self, work: Work) -> Ended:
        """Return how the execution ends."""
        if 0 < work.memory < self.memory:
            return FAILURES["out_of_memory"]
        if work.is_spot and self.spot == "reclaimed":
            return FAILURES["reclaimed"]
        if self.outcome == "failed" or work.attempt <= self.fail_first:
            if self.failure is not None:
                ended = FAILURES[self.failure]
                return ended if self.exit_code is None else replace(ended, exit_code=self.exit_code)
            code = self.exit_code or 1
        else:
            code = self.exit_code if self.exit_code is not None else 0
        return Ended(code, f"the command ended with exit code {code}")


SUCCEED = Script()


def parse_script(command: str) -> Script | None:
    """
    Read a command as a script.

    :return: None when the command is an ordinary one.
    :raises ValueError: For a script with an unknown setting or value.
    """
    text = command.strip()
    if not text.startswith(PREFIX):
        return None
    settings: dict[str, str] = {}
    for word in shlex.split(text[len(PREFIX) :]):
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is not a setting like duration=3")
        settings[name] = value
    try:
        return msgspec.convert(settings, Script, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; settings are {', '.join(Script.__struct_fields__)}") from None


class ScriptedRun:
    """One execution that ends when its timer does."""

    __slots__ = ("_clock", "_on_end", "_timer", "logs")

    def __init__(self, clock: Clock, on_end: OnEnd, logs: Logs) -> None:
        self._clock = clock
        self._on_end: OnEnd | None = on_end
        self._timer: Timer | None = None
        self.logs = logs

    def end_after(self, seconds: float, ended: Ended) -> None:
        """Report the end in so many seconds instead of any earlier plan."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(seconds, lambda: self._end(ended))

    def stop(self) -> None:
        """End at once, as a process would by SIGTERM."""
        if self._on_end is not None:
            self.end_after(0.0, Ended(143, "the command was stopped by SIGTERM"))

    def drop(self) -> None:
        """End without a report."""
        self._on_end = None
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, ended: Ended) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(ended)


class ScriptedRunner:
    """
    Run scripts.

    :param clock: The emulator's clock.
    :param script: Scripts by pattern of the job's name.
    :param max_parallel: How many instances run at once; None without a limit.
    """

    def __init__(
        self, clock: Clock, script: Mapping[str, Script] | None = None, *, max_parallel: int | None = None
    ) -> None:
        self.max_parallel = max_parallel
        self._clock = clock
        self._script = dict(script or {})
        self._runs: set[ScriptedRun] = set()

    @staticmethod
    def read_file(path: str | Path) -> dict[str, Script]:
        """
        Read a mapping from a JSON file.

        :raises ValueError: When it is not one, naming the file and the field.
        """
        try:
            return msgspec.json.decode(Path(path).read_bytes(), type=dict[str, Script])
        except msgspec.DecodeError as error:
            raise ValueError(f"the script file {path} cannot be used: {error}") from None

    def start(self, work: Work, on_end: OnEnd) -> ScriptedRun:
        """Plan the end of the execution."""
        try:
            script = parse_script(work.command) or self._by_name(work.job_name)
        except ValueError as error:
            script = Script(outcome="failed", exit_code=2, stderr=f"bad script {work.command!r}: {error}\n")
        logs = Logs(script.stdout.encode(), script.stderr.encode()) if script.stdout or script.stderr else NO_LOGS

        def report(ended: Ended) -> None:
            self._runs.discard(run)
            on_end(ended)

        run = ScriptedRun(self._clock, report, logs)
        self._runs.add(run)
        if script.outcome != "hang" or work.attempt <= script.fail_first:
            run.end_after(script.duration, script.ended(work))
        return run

    def forget(self, job_id: str) -> None:
        """Do nothing; nothing is kept."""

    async def close(self) -> None:
        """Drop every run."""
        for run in self._runs:
            run.drop()
        self._runs.clear()

    def _by_name(self, job_name: str) -> Script:
        for pattern, script in self._script.items():
            if fnmatchcase(job_name, pattern):
                return script
        return SUCCEED
