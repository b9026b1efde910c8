# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from airflow_batch_events import __version__
from devtools.release.build import ROOT, build, commit_time, digests, export, uncommitted, wrong_tag

UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with what the builds need, as it is in the working tree."""
    folder = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__", "tests")
    for name in ("airflow_batch_events", "emulator", "dags"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "CHANGELOG.md", "LICENSE", "constraints-tools.txt"):
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all", "--date", "2026-01-02T03:04:05Z")
    return folder


@pytest.mark.slow("builds four archives twice")
@pytest.mark.skipif(UV is None, reason="uv, which 'make' installs where it can, is not here")
def test_two_builds_of_a_commit_have_the_same_bytes(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert UV
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first = build(tmp_path / "first", UV, clone)
    # What is not committed, when files were written and who may write them makes no difference.
    (clone / "airflow_batch_events" / "mine.py").write_text("")
    for path in clone.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    os.umask(before := os.umask(0o077))
    try:
        os.umask(0o077)
        second = build(tmp_path / "second", UV, clone)
    finally:
        os.umask(before)
    assert len(first) == 4
    assert digests(first) == digests(second)
    for path in first:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                names = wheel.namelist()
        else:
            with tarfile.open(path) as sdist:
                names = sdist.getnames()
        assert not [name for name in names if "mine.py" in name]


def test_the_time_is_the_commits_or_what_the_environment_says(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert commit_time(clone) > 1_700_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    assert commit_time(clone) == 1_234_567_890


def test_only_what_is_committed_is_exported(clone: Path, tmp_path: Path) -> None:
    (clone / "mine.txt").write_text("")
    assert uncommitted(clone) == ["?? mine.txt"]
    folder = tmp_path / "export"
    folder.mkdir()
    export(clone, folder)
    assert (folder / "README.md").exists()
    assert not (folder / "mine.txt").exists()


def test_a_tag_names_the_version_of_both() -> None:
    assert wrong_tag(None) is None
    assert wrong_tag(f"v{__version__}") is None
    assert wrong_tag("v9.9.9") == f"The tag is v9.9.9, the versions are {__version__}."
