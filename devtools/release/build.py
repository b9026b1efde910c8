# SPDX-License-Identifier: Apache-2.0
"""
Build both distributions from what is committed, so that the same commit gives the same bytes everywhere.

Each build is made from an export of the commit: a file that is not committed is not published, and neither the folder
nor the times of a checkout can get into an archive. The one time in it is that of the commit.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import airflow_batch_events
import tencent_batch_emulator

ROOT = Path(__file__).parents[2]
SOURCES = (".", "emulator")
"""The folders of the two distributions."""


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(  # noqa: S603 - commands of ours
        [str(part) for part in command], cwd=cwd, env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def commit_time(root: Path = ROOT) -> int:
    """Return Unix seconds of the commit that is checked out, or what ``SOURCE_DATE_EPOCH`` says."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    return int(told or run("git", "log", "-1", "--format=%ct", cwd=root))


def uncommitted(root: Path = ROOT) -> list[str]:
    """Return the files that differ from the commit, which a build does not see."""
    return run("git", "status", "--porcelain", cwd=root).splitlines()


def build(out: Path, uv: str | Path, root: Path = ROOT) -> list[Path]:
    """
    Build sdist and wheel of each distribution.

    :param out: The folder to put them in.
    :param uv: The builder.
    :param root: A clone of the repository.
    :return: The archives.
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(commit_time(root))}
    with TemporaryDirectory(prefix="release-") as folder:
        export(root, Path(folder))
        for source in SOURCES:
            pins = root / "constraints-tools.txt"
            command = (uv, "build", "--quiet", "--build-constraint", pins, "--out-dir", out, Path(folder) / source)
            run(*command, env=environment)
    return sorted([*out.glob("*.whl"), *out.glob("*.tar.gz")])


def export(root: Path, folder: Path) -> None:
    """Write the files of the commit into a folder."""
    archive = folder / "commit.tar"
    run("git", "archive", "--output", archive, "HEAD", cwd=root)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    archive.unlink()


def wrong_tag(tag: str | None) -> str | None:
    """Return what is wrong with the tag of a release, or None."""
    versions = {airflow_batch_events.__version__, tencent_batch_emulator.__version__}
    if tag is None or {tag} == {f"v{version}" for version in versions}:
        return None
    return f"The tag is {tag}, the versions are {', '.join(sorted(versions))}."


def digests(paths: list[Path]) -> dict[str, str]:
    """Return the SHA-256 of files by their names."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
