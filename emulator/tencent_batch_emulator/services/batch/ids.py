# SPDX-License-Identifier: Apache-2.0
"""The ids of the Batch API: their shape, new ones, and the refusal of malformed ones."""

from __future__ import annotations

import random
import re
import string

from tencent_batch_emulator.services.base import ApiError

_ID_PREFIX = {
    "Job": "job",
    "Env": "env",
    "ComputeNode": "node",
    "Activity": "act",
    "TaskTemplate": "task-tmpl",
    "Instance": "ins",
    "Image": "img",
}
_ID_CHARACTERS = string.ascii_lowercase + string.digits
_ID_SHAPE = {kind: re.compile(rf"{prefix}-[a-z0-9]{{8}}") for kind, prefix in _ID_PREFIX.items()}


class Ids:
    """
    Make ids in the cloud's shape.

    :param seed: For ids that are the same in every run.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def new(self, kind: str) -> str:
        """Return a new id, for example ``job-4yn0we13`` for the kind ``Job``."""
        return f"{_ID_PREFIX[kind]}-{''.join(self._random.choices(_ID_CHARACTERS, k=8))}"


def is_id(kind: str, value: str) -> bool:
    """Whether the text has the shape of an id of that kind."""
    return _ID_SHAPE[kind].fullmatch(value) is not None


def check_id(kind: str, *values: str) -> None:
    """Refuse the whole call with ``InvalidParameter.<kind>IdMalformed`` when one id has the wrong shape."""
    for value in values:
        if not is_id(kind, value):
            shape = f"{_ID_PREFIX[kind]}-xxxxxxxx (eight of a-z and 0-9)"
            raise ApiError(f"InvalidParameter.{kind}IdMalformed", f"The id {value!r} is malformed; expected {shape}.")
