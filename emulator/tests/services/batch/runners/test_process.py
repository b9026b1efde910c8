# SPDX-License-Identifier: Apache-2.0
"""The process runner with real processes, alone and under the service on a running clock."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.batch_cloud import CALLER, job, task

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.batch.runners import Ended, Work
from tencent_batch_emulator.services.batch.runners.process import ProcessRun, ProcessRunner
from tencent_batch_emulator.services.batch.service import BatchService
from tencent_batch_emulator.services.batch.settings import Delays

LIMIT = 60.0


class Bench:
    """A runner and one way to run a command on it."""

    def __init__(self, work_dir: Path, **settings: Any) -> None:
        self.runner = ProcessRunner(work_dir, **settings)

    def start(self, command: str, attempt: int = 1, **environment: str) -> tuple[ProcessRun, asyncio.Future[Ended]]:
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        work = Work("job-00000000", "name", "main", 0, command, environment, attempt)
        return self.runner.start(work, ended.set_result), ended

    async def run(self, command: str, **environment: str) -> tuple[ProcessRun, Ended]:
        run, ended = self.start(command, 1, **environment)
        return run, await asyncio.wait_for(ended, LIMIT)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, output_limit=5000)
    yield bench
    await bench.runner.close()


def directories_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_dir()]


async def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:  # a zombie that nobody has reaped yet is dead enough
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


async def test_exit_code_and_output_are_the_commands_own(bench: Bench) -> None:
    run, ended = await bench.run("echo out; echo err >&2; exit 3")
    assert (ended.exit_code, ended.succeeded) == (3, False)
    assert (bytes(run.logs.stdout), bytes(run.logs.stderr)) == (b"out\n", b"err\n")


async def test_a_command_killed_by_a_signal_ends_as_a_shell_would_say(bench: Bench) -> None:
    _, ended = await bench.run("kill -9 $$")
    assert ended.exit_code == 137
    assert "SIGKILL" in ended.detail


async def test_the_environment_is_clean_and_the_directory_its_own(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMULATOR_SECRET", "hidden")
    run, _ = await bench.run("pwd; env", BATCH_JOB_ID="job-00000000", MINE="yes")
    directory, *lines = run.logs.stdout.decode().splitlines()
    assert directory == str(tmp_path / "job-00000000" / "main.0" / "1")
    names = {line.partition("=")[0] for line in lines}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME", "LANG", "BATCH_JOB_ID", "MINE"}


async def test_what_a_job_leaves_is_private_even_where_others_may_look(bench: Bench, tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    await bench.run("echo out; ln -s /etc/hostname stderr.log")
    directories = directories_below(tmp_path)
    assert [path.name for path in directories] == ["job-00000000", "main.0", "1"]
    assert {path.stat().st_mode & 0o777 for path in directories} == {0o700}
    assert (directories[-1] / "stdout.log").stat().st_mode & 0o777 == 0o600
    assert (directories[-1] / "stderr.log").is_symlink()


async def test_the_file_keeps_the_beginning_and_the_api_the_end(bench: Bench, tmp_path: Path) -> None:
    run, _ = await bench.run("i=0; while [ $i -lt 2000 ]; do echo line-$i; i=$((i+1)); done")
    kept = (tmp_path / "job-00000000" / "main.0" / "1" / "stdout.log").read_bytes()
    assert len(kept) == 5000
    assert kept.startswith(b"line-0\nline-1\n")
    assert len(run.logs.stdout) == 2048
    assert run.logs.stdout.endswith(b"line-1999\n")


async def test_a_background_child_does_not_outlive_its_command(bench: Bench) -> None:
    run, _ = await bench.run("sleep 60 & echo $!")
    await wait_for(lambda: not is_alive(int(run.logs.stdout)))


async def test_stop_ends_the_whole_group_and_the_stubborn_by_force(bench: Bench) -> None:
    run, ended = bench.start("trap '' TERM; sleep 60 & echo $!; while true; do sleep 0.1; done")
    await wait_for(lambda: run.logs.stdout.endswith(b"\n"))
    run.hurry(0.2)
    assert (await asyncio.wait_for(ended, LIMIT)).exit_code == 137
    await wait_for(lambda: not is_alive(int(run.logs.stdout)))


async def test_stop_before_the_start_still_reports_an_end(bench: Bench) -> None:
    run, ended = bench.start("sleep 60")
    run.stop()
    assert not (await asyncio.wait_for(ended, LIMIT)).succeeded


async def test_a_directory_that_cannot_be_made_is_an_end_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    bench = Bench(tmp_path / "file")
    _, ended = await bench.run("true")
    assert ended.exit_code is None
    assert "could not be started" in ended.detail


async def test_close_leaves_no_process_and_waits_for_none(bench: Bench) -> None:
    runs = [bench.start("trap '' TERM; echo $$; while true; do sleep 0.1; done", attempt=n)[0] for n in (1, 2, 3)]
    await wait_for(lambda: all(run.logs.stdout.endswith(b"\n") for run in runs))
    await asyncio.wait_for(bench.runner.close(), LIMIT)
    await wait_for(lambda: not any(is_alive(int(run.logs.stdout)) for run in runs))


@pytest.mark.parametrize("end", ["stop", "close"])
async def test_what_has_left_its_session_ends_with_its_execution(bench: Bench, tmp_path: Path, end: str) -> None:
    run, ended = bench.start(f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' & sleep 60")
    await wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    pid = int((tmp_path / "pid").read_text())
    if end == "stop":
        run.stop()
        await asyncio.wait_for(ended, LIMIT)
    else:
        await bench.runner.close()
    assert not is_alive(pid)


async def test_forget_removes_the_directories_of_the_job(bench: Bench, tmp_path: Path) -> None:
    await bench.run("echo kept > file")
    bench.runner.forget("job-00000000")
    await wait_for(lambda: not (tmp_path / "job-00000000").exists())


class RunningCloud:
    """The service on real time, with real processes."""

    def __init__(self, work_dir: Path, max_parallel: int, delays: Delays | None = None) -> None:
        runner = ProcessRunner(work_dir, max_parallel=max_parallel)
        self.service = BatchService(Clock(), self._publish, runner, delays=delays or Delays.none())

    async def _publish(self, topic_name: str, body: str) -> None:
        pass

    async def call(self, action: str, **params: Any) -> dict[str, Any]:
        return await self.service.actions[action](params, CALLER)

    async def submit(self, described: dict[str, Any]) -> str:
        return str((await self.call("SubmitJob", Placement={"Zone": "ap-guangzhou-6"}, Job=described))["JobId"])

    def instances(self, job_id: str) -> list[dict[str, Any]]:
        """Return the instances of the job's only task, as the console shows them."""
        page = self.service.job_page(job_id)
        assert page is not None
        [only] = page["Tasks"]
        return list(only["Instances"])

    async def until(self, job_id: str, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + LIMIT
        while True:
            shown = await self.call("DescribeJob", JobId=job_id)
            if shown["JobState"] in states:
                return shown
            assert time.monotonic() < deadline, f"still {shown['JobState']}"
            await asyncio.sleep(0.02)


@pytest.fixture
async def running_cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    cloud = RunningCloud(tmp_path, max_parallel=2)
    yield cloud
    await cloud.service.close()


async def test_a_job_runs_with_the_documented_variables(running_cloud: RunningCloud) -> None:
    command = 'echo "$BATCH_JOB_ID $BATCH_TASK_NAME $BATCH_TASK_INSTANCE_NUM $BATCH_TASK_INSTANCE_INDEX $MINE"'
    described = job(task(command, TaskInstanceNum=2, EnvVars=[{"Name": "MINE", "Value": "x"}]))
    job_id = await running_cloud.submit(described)
    await running_cloud.until(job_id, "SUCCEED")
    assert [one["Stdout"] for one in running_cloud.instances(job_id)] == [
        f"{job_id} main 2 {index} x\n" for index in (0, 1)
    ]


async def test_an_interrupted_job_says_what_its_command_said(running_cloud: RunningCloud) -> None:
    job_id = await running_cloud.submit(job(task("echo broken >&2; exit 4", FailedAction="INTERRUPT")))
    await running_cloud.until(job_id, "FAILED_INTERRUPTED")
    answer = await running_cloud.call("DescribeTaskLogs", JobId=job_id, TaskName="main")
    assert answer["TaskInstanceLogSet"][0]["StderrLog"] == "data:text/plain;charset=utf-8;base64,YnJva2VuCg=="


async def test_timeout_and_termination_end_the_processes(running_cloud: RunningCloud) -> None:
    slow = await running_cloud.submit(job(task("sleep 60", Timeout=1)))
    doomed = await running_cloud.submit(job(task("sleep 60")))
    await running_cloud.until(doomed, "RUNNING")
    await running_cloud.call("TerminateJob", JobId=doomed)
    assert "terminated" in (await running_cloud.until(doomed, "FAILED"))["StateReason"]
    assert "Timeout" in (await running_cloud.until(slow, "FAILED"))["StateReason"]


async def test_no_more_processes_than_allowed_run_at_once(running_cloud: RunningCloud) -> None:
    job_id = await running_cloud.submit(job(task("sleep 0.2", TaskInstanceNum=6)))
    most = 0
    while (await running_cloud.call("DescribeJob", JobId=job_id))["JobState"] != "SUCCEED":
        metrics = (await running_cloud.call("DescribeJob", JobId=job_id))["TaskInstanceMetrics"]
        most = max(most, metrics["RunningCount"] + metrics["StartingCount"])
        await asyncio.sleep(0.01)
    assert most == 2


async def test_nothing_starts_after_the_service_was_closed(tmp_path: Path) -> None:
    cloud = RunningCloud(tmp_path, max_parallel=2, delays=Delays.none(starting=0.1))
    job_id = await cloud.submit(job(task("sleep 60", TaskInstanceNum=4)))
    await cloud.until(job_id, "STARTING")
    await cloud.service.close()
    await asyncio.sleep(0.2)
    assert directories_below(tmp_path) == []


async def test_commands_of_a_tightly_coupled_task_run_until_one_fails(running_cloud: RunningCloud) -> None:
    described = task()
    described["Application"] = {
        "DeliveryForm": "LOCAL",
        "Commands": [{"Command": "echo one"}, {"Command": "false"}, {"Command": "echo three"}],
    }
    job_id = await running_cloud.submit(job(described))
    await running_cloud.until(job_id, "FAILED")
    assert running_cloud.instances(job_id)[0]["Stdout"] == "one\n"
