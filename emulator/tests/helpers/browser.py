# SPDX-License-Identifier: Apache-2.0
"""
A real browser for tests, without a window: what a page shows, a picture of it, and what the browser complains about.

It is spoken to through a pipe, in the DevTools protocol: neither a port nor a further package is needed, and a test can
wait for what a page shows instead of letting time pass.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from helpers.chromium import find_chromium

LIMIT = 120.0
"""Seconds that an answer of the browser, or what a test waits for, may take; more than enough on a busy machine."""

_PAUSE = 0.05
_STOP_GRACE = 10.0
_MAX_MESSAGE = 1 << 28

# The browser reads what it is told from descriptor 3 and answers on 4, which may be taken here.
_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class BrowserError(RuntimeError):
    """The browser refused something, or a script of a test failed."""


class Page:
    """
    One page of a browser.

    :param browser: The browser.
    :param session: What the browser calls the connection to the page.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []
        self._loaded = asyncio.Event()

    async def open(self, url: str) -> None:
        """
        Go to an address, and return when the page has been loaded.

        :raises BrowserError: Nothing answers there.
        """
        self._loaded.clear()
        answer = await self._call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")
        await asyncio.wait_for(self._loaded.wait(), LIMIT)

    async def evaluate(self, script: str) -> Any:
        """
        Return the value of an expression in JavaScript.

        :raises BrowserError: It failed.
        """
        answer = await self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{script}: {_text_of(answer['exceptionDetails'])}")
        return answer["result"].get("value")

    async def wait_for(self, script: str) -> None:
        """
        Wait until an expression in JavaScript is true.

        :raises TimeoutError: It does not become so; the message has what the page shows.
        """
        deadline = asyncio.get_running_loop().time() + LIMIT
        while asyncio.get_running_loop().time() < deadline:
            # A page that is about to be left may fail.
            with suppress(BrowserError):
                if await self.evaluate(f"Boolean({script})"):
                    return
            await asyncio.sleep(_PAUSE)
        shown = await self.evaluate("document.body && document.body.innerText")
        raise TimeoutError(f"not within {LIMIT:g} s: {script}\nshown: {shown}\ncomplaints: {self.complaints}")

    async def show(self, scheme: str) -> None:
        """Let the page be seen by a user who prefers the ``dark`` or the ``light`` color scheme."""
        await self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def photograph(self, picture: Path, *, of: str | None = None) -> None:
        """
        Write what is seen as a PNG file.

        :param picture: The file.
        :param of: A selector in CSS of the part of the page that is wanted; None for all of it.
        """
        options: dict[str, Any] = {"format": "png"}
        if of is not None:
            script = (
                f"(({{x, y, width, height}}) => ({{x, y, width, height}}))(document.querySelector({json.dumps(of)})"
            )
            options["clip"] = {**await self.evaluate(f"{script}.getBoundingClientRect())"), "scale": 1}
        answer = await self._call("Page.captureScreenshot", **options)
        await asyncio.to_thread(_write, picture, base64.b64decode(answer["data"]))

    def on_event(self, method: str, params: dict[str, Any]) -> None:
        """Keep what is a complaint, and note that the page is there."""
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(_text_of(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.call(method, params, self._session)


class Browser:
    """
    A connection to a running browser.

    :param reader: Its answers.
    :param writer: What it is told.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def page(self, *, width: int = 1280, height: int = 1400) -> Page:
        """Return a new page of that size, in pixels."""
        made = await self.call("Target.createTarget", {"url": "about:blank"})
        attached = await self.call("Target.attachToTarget", {"targetId": made["targetId"], "flatten": True})
        session = attached["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable", {}, session)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", size, session)
        return page

    async def call(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """
        Tell the browser something and return its answer.

        :raises BrowserError: It refuses.
        """
        number = next(self._numbers)
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        self._writer.write(json.dumps(message).encode() + b"\0")
        return await asyncio.wait_for(answer, LIMIT)

    async def listen(self) -> None:
        """Hand on what the browser says until it ends."""
        try:
            while True:
                self._take(json.loads((await self._reader.readuntil(b"\0"))[:-1]))
        except asyncio.IncompleteReadError:
            for answer in self._open.values():
                if not answer.done():
                    answer.set_exception(BrowserError("the browser has ended"))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" not in message:
            if page := self._pages.get(message.get("sessionId", "")):
                page.on_event(message["method"], message["params"])
            return
        answer = self._open.pop(message["id"], None)
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(BrowserError(str(message["error"])))
        else:
            answer.set_result(message["result"])


@asynccontextmanager
async def open_browser(folder: Path) -> AsyncIterator[Browser]:
    """
    Run a browser of its own.

    :param folder: Where its profile and its log are.
    :raises NoChromiumError: There is no browser here, and none can be fetched.
    """
    program = await asyncio.to_thread(find_chromium)
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    await asyncio.to_thread(_write, folder / "chromium.log", b"")
    with (folder / "chromium.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _LAUNCH, str(their_in), str(their_out), str(program.path), "--headless"),
            *("--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"),
            *("--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank"),
            pass_fds=(their_in, their_out),
            stdout=log,
            stderr=log,
            env={**os.environ, **program.env},
        )
    os.close(their_in)
    os.close(their_out)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_MAX_MESSAGE)
    reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(our_in, "rb"))
    writing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(our_out, "wb"))
    browser = Browser(reader, asyncio.StreamWriter(writing, protocol, None, loop))
    listening = asyncio.ensure_future(browser.listen())
    try:
        yield browser
    finally:
        with suppress(BrowserError, TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(browser.call("Browser.close", {}), _STOP_GRACE)
        try:
            await asyncio.wait_for(process.wait(), _STOP_GRACE)
        except (TimeoutError, asyncio.TimeoutError):
            process.kill()
            await process.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        reading.close()
        writing.close()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _text_of(details: dict[str, Any]) -> str:
    return str(details.get("exception", {}).get("description") or details["text"])
