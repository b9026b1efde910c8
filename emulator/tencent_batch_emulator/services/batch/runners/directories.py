# SPDX-License-Identifier: Apache-2.0
"""Directories that only their user can enter: what jobs read, write and print is nobody else's business."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def prepare_work_dir(path: str | Path) -> Path:
    """
    Make the directory under which jobs run, or check the one that there is.

    One that exists may be open for reading, as everything in it is made private; anyone who may write in it could put
    something else where a job's directory should be.

    :return: Where it really is.
    :raises OSError: When it cannot be made, belongs to another user, or others may write in it.
    """
    path = Path(path).absolute()
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    path = path.resolve(strict=True)
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"the work directory {path} is not a directory")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"the work directory {path} belongs to another user; name one of your own")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f"others may write in the work directory {path}; take that away (chmod go-w) or name another"
        )
    return path


def make_private(root: Path, *names: str) -> Path:
    """
    Make a directory under a root, each on the way there for its user only; those that exist must be so, too.

    :raises OSError: When one cannot be made, or is in the way: a symbolic link, say, that would lead elsewhere.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = root
    for name in names:
        path /= name
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(f"{path} is in the way: it is not a directory that only this user can enter")
    return path


def write_private(path: Path, content: bytes | bytearray) -> None:
    """
    Write a file that only its user can read, in the place of one that is there.

    :raises OSError: When that is not possible, or a symbolic link is in its place.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
