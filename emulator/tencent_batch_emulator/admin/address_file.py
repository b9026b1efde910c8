# SPDX-License-Identifier: Apache-2.0
"""
The file that says where a running emulator is, and with which key: ``endpoint``, ``secret_id``, ``secret_key``,
``region`` as JSON.

It appears whole or not at all, only its user can read it, and it goes when the emulator ends; a later emulator's file
in the same place is left alone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec

NAME = "emulator.json"
_FOLDER = "tencent-batch-emulator"


class AddressFile:
    """
    Write the file, and remove it again.

    :param path: Where; see :func:`default_path`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = b""

    def write(self, *, endpoint: str, secret_id: str, secret_key: str, region: str) -> None:
        """
        Put the file in place.

        :raises OSError: When that is not possible.
        """
        address = {"endpoint": endpoint, "secret_id": secret_id, "secret_key": secret_key, "region": region}
        self._content = msgspec.json.format(msgspec.json.encode(address)) + b"\n"
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp gives mode 0600 from the start; there is no moment at which another user could open it.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._content)
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def remove(self) -> None:
        """Remove the file if it is still this emulator's."""
        with contextlib.suppress(OSError):
            if self.path.read_bytes() == self._content:
                self.path.unlink()


def default_path() -> Path:
    """Return where the file lies by default: in this user's runtime directory, or else in the cache directory."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / _FOLDER / NAME
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / _FOLDER / NAME
