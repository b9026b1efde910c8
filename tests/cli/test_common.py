# SPDX-License-Identifier: Apache-2.0
"""What the commands print: one line for each fact whatever it holds, and JSON alone where JSON was asked for."""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.emulator_helpers import address_of
from support.processes import running

from airflow_batch_events.cli import common
from airflow_batch_events.cli.common import ENDED_BY_USER, Output, run_reporting
from airflow_batch_events.cli.main import main
from airflow_batch_events.exceptions import BatchEventsError, ConfigurationError
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.text import printable

COMMAND = [sys.executable, "-m", "airflow_batch_events.cli.main"]
HOSTILE = "\x1b]52;c;ZXZpbA==\x07\r\n12:00:00 JOB_FAILED job-f0rged00 \x9b31m\u202e"
numbers = itertools.count(1)

# A secrets backend is the part of Airflow that every command runs and that anybody may replace.
NOISE = """
import atexit, logging, os, subprocess, sys, warnings

from airflow.secrets import BaseSecretsBackend

print("printed while it is imported")
atexit.register(print, "printed in the end")

class Noisy(BaseSecretsBackend):
    def get_connection(self, conn_id, **kwargs):
        print("printed")
        os.write(1, b"written by a library in C\\n")
        subprocess.run(["echo", "printed by a child"], check=True)
        logging.getLogger("airflow").warning("logged")
        warnings.warn("warned")
        sys.__stdout__.write("half a line")
        {then}
        return None
"""


@pytest.fixture
def run_process(cloud, tmp_path):
    """Run a command in a process of its own, with a fresh Airflow home and a secrets backend that prints."""

    def run(*arguments, then="pass"):
        (tmp_path / "noisy.py").write_text(NOISE.replace("{then}", then))
        paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        env = {
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__SECRETS__BACKEND": "noisy.Noisy",
            "PYTHONPATH": paths,
        }
        return subprocess.run([*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=600, check=False)

    return run


@pytest.fixture
def topic(cloud):
    with SdkClient(address_of(cloud).access()) as client:
        name = f"output-{next(numbers)}"
        client.send(tdmq.create_topic(name))
        yield name
        client.send(tdmq.delete_topic(name))


@pytest.fixture
def temporary_queues(cloud):
    """Return the names of the queues that ``tail`` has made and not deleted."""

    def names():
        with SdkClient(address_of(cloud).access()) as client:
            return [item.name for item in client.send(tdmq.describe_queues(name="airflow-tail")).items]

    return names


def event(**fields):
    return json.dumps({"Events": [{"EventName": "JOB_SUCCEED", "Batch": {"JobId": "job-1"}, **fields}]})


# ------------------------------------------------------------------------------------------ through a real process


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["provision", "--dry-run"], 0),
        (["doctor", "--no-probe"], 1),
        (["rewind", "--queue", "no-queue", "--to=-1h"], 1),
    ],
    ids=["provision", "doctor", "rewind"],
)
def test_stdout_is_one_json_object_whatever_others_print(run_process, arguments, status):
    done = run_process(*arguments, "--json")
    assert json.loads(done.stdout)["ok"] is (status == 0), done
    assert done.returncode == status
    for noise in ("imported", "printed\n", "in C", "by a child", "logged", "warned", "half a line", "in the end"):
        assert noise in done.stderr


def test_log_lines_go_to_standard_error_without_json_too(run_process):
    done = run_process("provision", "--dry-run")
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {"there:", "would"}, done.stdout


@pytest.mark.parametrize("then", ["sys.exit('no set-up')", "raise BaseException('strange')"])
def test_an_end_that_nobody_foresaw_prints_nothing_but_json(run_process, then):
    done = run_process("doctor", "--json", "--conn-id", "other", then=then)
    assert done.returncode not in (0, 2)
    assert not done.stdout or json.loads(done.stdout)["ok"] is False


def test_a_bad_command_line_prints_nothing_on_stdout(run_process):
    done = run_process("provision", "--json", "--retention", "long")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--retention" in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_has_closed_break_nothing(cloud, closed):
    command = shlex.join([*COMMAND, "provision", "--json", "--conn-id", "nowhere"])
    done = subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert ">&-" in closed.removeprefix("<&- ").split() or json.loads(done.stdout)["error"] == "ConfigurationError"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("options", ["--json", ""])
def test_a_full_disk_leaves_no_traceback(cloud, options):
    command = f"{shlex.join([*COMMAND, 'provision', '--conn-id', 'nowhere'])} {options} >/dev/full"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("Standard output cannot be written: No space left on device\n")
    assert "OSError" not in done.stderr


def test_a_closed_pipe_ends_tail(cloud, topic, temporary_queues):
    with running([*COMMAND, "tail", "--topic", topic, "--json"]) as process:
        assert "Listening" in next(line for line in process.stderr if "Listening" in line)
        cloud.call(lambda emulator: emulator.broker.publish(topic, event()))
        assert json.loads(process.stdout.readline())["job_id"] == "job-1"
        process.stdout.close()
        cloud.call(lambda emulator: emulator.broker.publish(topic, event()))
        assert process.wait() == 1
        assert "Traceback" not in process.stderr.read()
    assert temporary_queues() == []


def test_ctrl_c_ends_tail_with_its_last_object(cloud, topic, temporary_queues):
    with running([*COMMAND, "tail", "--topic", topic, "--json"]) as process:
        assert next(line for line in process.stderr if "Listening" in line)
        cloud.call(lambda emulator: emulator.broker.publish(topic, event()))
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        lines = [first, *process.stdout]
    assert json.loads(lines[0])["job_id"] == "job-1"
    assert json.loads(lines[-1]) == {"ok": True, "events": 1}
    assert temporary_queues() == []


# ------------------------------------------------------------------------------------------ what others have written


@pytest.mark.parametrize("as_json", [False, True], ids=["lines", "JSON"])
@pytest.mark.parametrize(
    "fields",
    [
        {"EventName": "JOB_SUCCEED" + HOSTILE},
        {"Batch": {"JobId": "job-1", "JobName": HOSTILE, "TaskName": HOSTILE}},
        {"EventVars": [{"Name": HOSTILE, "Value": HOSTILE}]},
        {"Batch": {"JobId": "job-1", "JobName": "[red]x[/red] [/] :smile: [link=http://evil.example]y"}},
        {"Batch": {"JobId": "job-1", "n": 10**40, "deep": [[[[[[]]]]]], "del": "\x7f"}},
    ],
    ids=["name", "batch", "variables", "markup", "values"],
)
def test_an_event_is_one_line_whatever_it_holds(capsys, cloud, topic, monkeypatch, fields, as_json):
    body = event(**fields)
    deliver(monkeypatch, body)
    options = ["tail", "--topic", topic, "--count", "1", *(["--json"] if as_json else [])]
    assert main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines == [printable(line) for line in lines]
    if as_json:
        assert all(line.isascii() and line.isprintable() for line in lines)
        shown = json.loads(lines[0])
        assert shown["event_name"].startswith("JOB_SUCCEED")
    elif "JobName" in fields.get("Batch", {}) and ":smile:" in fields["Batch"]["JobName"]:
        assert fields["Batch"]["JobName"] in lines[1]


def deliver(monkeypatch, body):
    """Put a message into the queue that ``tail`` makes, before it reads for the first time."""
    receive = CmqClient.receive

    async def deliver_and_receive(self, queue_name, **settings):
        monkeypatch.setattr(CmqClient, "receive", receive)
        await self.send(queue_name, body)
        return await receive(self, queue_name, **settings)

    monkeypatch.setattr(CmqClient, "receive", deliver_and_receive)


def printed(*parts, style=""):
    stream = io.StringIO()
    Output(stream, as_json=False).line(*parts, style=style)
    return stream.getvalue()


@given(st.text(max_size=200))
def test_a_line_is_the_printable_text_and_nothing_else(text):
    assert printed(text) == printable(text) + "\n"


@pytest.mark.parametrize("tag", ["[/red]", "[red]", "[bold", ":smile:", "[link=x]y[/link]", "\\[red]", "x" * 500])
def test_names_that_look_like_markup_are_printed_as_they_are(tag):
    assert printed(f"tag {tag}", (tag, "red"), style="dim") == f"tag {tag}{tag}\n"


def test_a_filter_tag_that_looks_like_markup_is_shown(capsys, cloud, topic):
    queue = f"{topic}-queue"
    with SdkClient(address_of(cloud).access()) as client:
        client.send(tdmq.create_queue(queue))
        client.send(tdmq.create_subscription(topic, "tagged", queue, filter_tags=["[/red]", "[red]"]))
        assert main(["provision", "--dry-run", "--topic", topic, "--queue", queue]) == 1
        assert main(["doctor", "--no-probe", "--topic", topic, "--queue", queue]) == 1
        client.send(tdmq.delete_queue(queue))
    shown = capsys.readouterr().out
    assert shown.count("filters by the tags [/red], [red]") == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters()), json_values, max_size=4))
def test_any_value_is_one_line_of_ascii(value):
    stream = io.StringIO()
    Output(stream, as_json=True).record(value)
    line = stream.getvalue()
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads(line, parse_constant=refuse, parse_int=lambda digits: digits[:20] == digits or refuse(digits))
    # Lone surrogates cannot be encoded.
    json.dumps(read, ensure_ascii=False).encode()


def test_what_json_cannot_hold_is_shown_as_text():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    stream = io.StringIO()
    value = {"deep": deep, "large": 2**64, "larger": 1 << 20_000, "nan": float("nan"), "half": "\ud800", "set": {1}}
    Output(stream, as_json=True).record(value)
    read = json.loads(stream.getvalue())
    assert (read["large"], read["nan"], read["half"], read["set"]) == ("18446744073709551616", "nan", "\\ud800", "{1}")


# ------------------------------------------------------------------------------------------ how a command ends


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError(f"no region {HOSTILE}"), 1),
        (BatchEventsError(f"no answer {HOSTILE}"), 1),
        (RuntimeError(f"strange {HOSTILE}"), 1),
        (SystemExit(f"no set-up {HOSTILE}"), 1),
        (KeyboardInterrupt(), ENDED_BY_USER),
    ],
    ids=lambda value: type(value).__name__,
)
def test_however_the_work_ends_it_is_said_in_one_object_or_line(capsys, monkeypatch, error, status, as_json):
    monkeypatch.setattr(common, "find_access", lambda conn_id, region: None)

    def work(access, output):
        raise error

    args = argparse.Namespace(conn_id="c", region=None, json=as_json)
    assert run_reporting(args, work) == status
    shown = capsys.readouterr()
    assert shown.err.replace("\n", "") == printable(shown.err.replace("\n", ""))
    (line,) = shown.out.splitlines()
    assert line == printable(line)
    if as_json:
        result = json.loads(line)
        assert (result["ok"], result["error"]) == (False, type(error).__name__)
        assert result["message"]
