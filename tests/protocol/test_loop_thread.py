# SPDX-License-Identifier: Apache-2.0
"""The loop that blocking code drives: beside another loop, under signals, across a fork, and until nobody needs it."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading

import pytest

from airflow_batch_events.exceptions import TransportError
from airflow_batch_events.protocol.loop_thread import LoopThread


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "batch-events-client"]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> None:
    before = set(threads())
    yield
    gc.collect()
    assert set(threads()) <= before


async def name_of_thread() -> str:
    return threading.current_thread().name


async def test_it_runs_beside_the_caller_s_loop_and_can_begin_anew() -> None:
    thread = LoopThread()
    for _ in range(2):
        assert thread.run(name_of_thread) == "batch-events-client"
        thread.close()
    thread.close()


def test_an_error_is_the_caller_s() -> None:
    async def fail() -> None:
        raise LookupError("why")

    thread = LoopThread()
    with pytest.raises(LookupError, match="why"):
        thread.run(fail)
    thread.close()


def test_the_loop_closes_what_belongs_to_it() -> None:
    closed: list[str] = []

    async def tidy() -> None:
        closed.append(await name_of_thread())

    thread = LoopThread(tidy)
    thread.run(name_of_thread)
    del thread
    gc.collect()
    assert closed == ["batch-events-client"]


class TaskTimeoutError(BaseException):
    """What Airflow raises in a task that takes too long."""


def test_an_exception_of_a_signal_handler_cancels_the_call() -> None:
    cancelled = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def ring(*_: object) -> None:
        raise TaskTimeoutError

    thread = LoopThread()
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(TaskTimeoutError):
            thread.run(hang)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert cancelled.wait(5)
    assert thread.run(name_of_thread), "it goes on after that"
    thread.close()


def test_a_call_during_which_it_is_closed_ends_with_an_error() -> None:
    began = threading.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    thread = LoopThread()

    def close() -> None:
        began.wait(5)
        thread.close()

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(TransportError, match="closed during the call"):
        thread.run(hang)
    closer.join()


def test_a_forked_process_gets_its_own_loop() -> None:
    script = """
import os, sys, threading
from airflow_batch_events.protocol.loop_thread import LoopThread

async def where():
    return os.getpid()

forgotten = []
thread = LoopThread(forget=lambda: forgotten.append(os.getpid()))
assert thread.run(where) == os.getpid()
child = os.fork()
assert thread.run(where) == os.getpid()
assert forgotten == ([] if child else [os.getpid()])
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert thread.run(where) == os.getpid()
print("well")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.split() == ["well", "well"], ran.stderr
