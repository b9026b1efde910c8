# SPDX-License-Identifier: Apache-2.0
"""
Names of queues, topics and subscriptions, and the ids that the control plane gives to them.

Two names that differ only in case are the same name; every table is keyed by :func:`fold`.
"""

from __future__ import annotations

import random
import re
import string

from tencent_batch_emulator.services.cmq import errors

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_RULE = "use 1 to 64 letters, digits, '-' and '_', the first a letter"
_RESERVED = ("-retry", "-dlq")
_ID_CHARACTERS = string.ascii_lowercase + string.digits


def fold(name: str) -> str:
    """Return the form of a name that tables are keyed by."""
    return name.lower()


def check_queue_name(name: str) -> None:
    """
    Refuse a name that no queue may have.

    :raises CmqFault: 4000 (10020).
    """
    if not _NAME.fullmatch(name):
        raise errors.queue_name_wrong(f"{name!r}: {_RULE}")
    if fold(name).endswith(_RESERVED):
        raise errors.queue_name_wrong(f"{name!r} must not end in {' or '.join(_RESERVED)}")


def check_topic_name(name: str, kind: str = "topic") -> None:
    """
    Refuse a name that no topic or subscription may have.

    :param kind: What the name is for.
    :raises CmqFault: 4000 (10590).
    """
    if not _NAME.fullmatch(name):
        raise errors.topic_name_wrong(kind, f"{name!r}: {_RULE}")


def make_id(rng: random.Random, prefix: str, length: int) -> str:
    """Return an id such as ``cmqq-rd42drdeaag9``."""
    return f"{prefix}-{''.join(rng.choices(_ID_CHARACTERS, k=length))}"
