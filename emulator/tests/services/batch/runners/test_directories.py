# SPDX-License-Identifier: Apache-2.0
"""The files of jobs are private, whatever the umask, and nobody can put something else in their place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tencent_batch_emulator.services.batch.runners.directories import make_private, prepare_work_dir, write_private


@pytest.fixture(autouse=True, params=[0o000, 0o022], ids=["umask 000", "umask 022"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_work_directory_is_made_private(tmp_path: Path) -> None:
    assert mode(prepare_work_dir(tmp_path / "a")) == 0o700


@pytest.mark.parametrize("open_for", [0o700, 0o755])
def test_one_that_others_may_only_read_is_taken_as_it_is(tmp_path: Path, open_for: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(open_for)

    assert mode(prepare_work_dir(tmp_path / "a")) == open_for


@pytest.mark.parametrize("open_for", [0o777, 0o1777, 0o770, 0o702])
def test_one_that_others_may_write_in_is_refused(tmp_path: Path, open_for: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(open_for)

    with pytest.raises(PermissionError, match=r"others may write in the work directory .*chmod go-w"):
        prepare_work_dir(tmp_path / "a")


def test_one_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.raises(PermissionError, match="belongs to another user"):
        prepare_work_dir(tmp_path / "a")


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")

    with pytest.raises(NotADirectoryError, match="is not a directory"):
        prepare_work_dir(tmp_path / "a")


def test_a_link_to_it_is_followed_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert prepare_work_dir(tmp_path / "link") == tmp_path / "real"


def test_each_directory_on_the_way_is_private(tmp_path: Path) -> None:
    path = make_private(tmp_path, "job", "main.0", "1")

    assert path == tmp_path / "job" / "main.0" / "1"
    assert {mode(path), mode(path.parent), mode(path.parent.parent)} == {0o700}
    assert make_private(tmp_path, "job", "main.0", "1") == path


@pytest.mark.parametrize("what", ["link", "file", "open"])
def test_what_is_in_the_way_is_not_used(tmp_path: Path, what: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    if what == "link":
        (root / "job").symlink_to(elsewhere)
    elif what == "file":
        (root / "job").write_text("")
    else:
        (root / "job").mkdir()
        (root / "job").chmod(0o755)

    with pytest.raises(PermissionError, match="in the way"):
        make_private(root, "job", "main.0")
    assert list(elsewhere.iterdir()) == []


def test_a_file_is_private_and_replaces_one_that_was_not(tmp_path: Path) -> None:
    write_private(tmp_path / "new", b"x")
    (tmp_path / "old").write_bytes(b"longer")
    (tmp_path / "old").chmod(0o644)
    write_private(tmp_path / "old", b"x")

    assert mode(tmp_path / "new") == mode(tmp_path / "old") == 0o600
    assert (tmp_path / "old").read_bytes() == b"x"


def test_a_link_or_a_pipe_in_the_place_of_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            write_private(tmp_path / name, b"x")
    assert (tmp_path / "target").read_bytes() == b"kept"
