# SPDX-License-Identifier: Apache-2.0
"""
The emulator for tests that are not asynchronous: in a thread of its own, with a handle that any thread may use.

With pytest, the fixture ``batch_emulator`` gives one to a test (see ``pytest_plugin``).

Everything inside belongs to the emulator's event loop, so nothing of it is handed out: what is not here as a method is
done with :meth:`RunningEmulator.call`. Asynchronous tests need none of this: ``async with Emulator() as emulator``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, overload

from tencent_batch_emulator.admin.request_log import Call
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.faults.rules import Fault

T = TypeVar("T")

_CALL_LIMIT = 30.0
_START_LIMIT = 30.0


class RunningEmulator:
    """
    An emulator that runs in another thread.

    :param emulator: It, serving.
    :param loop: The loop that it serves in.
    """

    def __init__(self, emulator: Emulator, loop: asyncio.AbstractEventLoop) -> None:
        self._emulator = emulator
        self._loop = loop
        self.endpoint = emulator.endpoint
        self.host = emulator.host
        self.port = emulator.port
        self.region = emulator.region
        self.secret_id = emulator.secret_id
        self.secret_key = emulator.secret_key

    def __repr__(self) -> str:
        return f"<RunningEmulator {self.endpoint}>"

    @overload
    def call(self, function: Callable[[Emulator], Coroutine[Any, Any, T]]) -> T: ...

    @overload
    def call(self, function: Callable[[Emulator], T]) -> T: ...

    def call(self, function: Callable[[Emulator], Any]) -> Any:
        """
        Do something in the emulator's loop and return the result.

        :param function: Gets the emulator; may be a coroutine function.
        :raises TimeoutError: After half a minute.
        """

        async def work() -> Any:
            result = function(self._emulator)
            return await result if isinstance(result, Awaitable) else result

        future: Future[Any] = asyncio.run_coroutine_threadsafe(work(), self._loop)
        return future.result(_CALL_LIMIT)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.call(lambda emulator: emulator.clock.advance(seconds))

    def time(self) -> float:
        """Return Unix seconds by the emulator's clock."""
        return self._emulator.clock.time()

    def add_fault(self, fault: Fault) -> int:
        """Put a rule in force and return its number."""
        return self.call(lambda emulator: emulator.faults.add(fault))

    def drop_next(self, event: str | None = None, count: int = 1) -> int:
        """Lose the next ``count`` messages of an event."""
        return self.call(lambda emulator: emulator.faults.drop_next(event, count))

    def clear_faults(self) -> None:
        """Take all rules back."""
        self.call(lambda emulator: emulator.faults.clear())

    def count(self, action: str | None = None, *, service: str | None = None, code: str | None = None) -> int:
        """Return how many calls were made that fit."""
        return self.call(lambda emulator: emulator.requests.count(action, service=service, code=code))

    def calls(self, number: int = 100) -> list[Call]:
        """Return the last calls, the newest first."""
        return self.call(lambda emulator: emulator.requests.last(number))


@contextmanager
def start_emulator(**settings: Any) -> Iterator[RunningEmulator]:
    """
    Run an emulator in a thread as long as the context lasts.

    :param settings: What :class:`Emulator` takes; jobs are scripted, not run, unless ``runner="process"``.
    :raises Exception: Whatever kept it from starting.
    """
    ready: Future[RunningEmulator] = Future()
    ended: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        ended.append(lambda: loop.call_soon_threadsafe(end.set))
        async with Emulator(**{"runner": "scripted", **settings}) as emulator:
            ready.set_result(RunningEmulator(emulator, loop))
            await end.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name="batch-emulator", daemon=True)
    thread.start()
    try:
        yield ready.result(_START_LIMIT)
    finally:
        if ended:
            # The loop of one that could not start is closed.
            with suppress(RuntimeError):
                ended[0]()
        thread.join(_CALL_LIMIT)
