# SPDX-License-Identifier: Apache-2.0
"""
What a queue's name looks like, and the place in it that each host fills with its own name: a queue for each triggerer.

Provisioning the queue and reading it must arrive at the same name, so both come here, and two hosts must
not arrive at the same one: a name that is cut ends with a hash of the whole.

Source: API page 1179/55917, CreateCmqQueue (64 characters: a letter, then letters, digits and hyphens; the
console takes underscores as well).
"""

from __future__ import annotations

import hashlib
import re

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.limits import MAX_NAME

HOSTNAME = "{hostname}"
"""What is replaced by the host's name; single braces, which Jinja leaves alone."""

MAX_LENGTH = 59
"""Characters of a name that was filled in, so that the names of its dead-letter queue and subscription fit into 64."""

HASH_LENGTH = 8

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)


def check_queue_name(name: object) -> str:
    """
    Return the name if a queue of that name can exist, as far as that is known before a host has filled it in.

    :param name: A queue's name, which may contain ``{hostname}``.
    :raises ConfigurationError: Saying what a queue's name looks like.
    """
    if isinstance(name, str):
        bare = name.replace(HOSTNAME, "h")
        if _NAME.fullmatch(bare) and (len(name) <= MAX_NAME or HOSTNAME in name):
            return name
    shown = repr(name) if isinstance(name, str) and len(name) <= 2 * MAX_NAME else f"a {type(name).__name__}"
    raise ConfigurationError(
        f"queue_name is {shown}, which cannot be a queue's name: at most {MAX_NAME} characters, a letter first, then "
        f"letters, digits, '-' and '_', beside the placeholder {HOSTNAME}"
    )


def fill_in(name: str, host: str) -> str:
    """
    Put a host's name into a queue's.

    :param name: The queue's name with ``{hostname}`` in it.
    :param host: The host's name; what a queue's name cannot hold becomes a hyphen.
    :raises ConfigurationError: When what comes out cannot be a queue's name.
    """
    filled = name.replace(HOSTNAME, re.sub(r"[^A-Za-z0-9]+", "-", host).strip("-"))
    if not _NAME.fullmatch(filled):
        raise ConfigurationError(
            f"queue_name {name!r} is {filled!r} on host {host!r}, which cannot be a queue's name: it must begin with a "
            f"letter and hold only letters, digits and hyphens beside the placeholder {HOSTNAME}"
        )
    if len(filled) > MAX_LENGTH:
        digest = hashlib.sha256(f"{name} {host}".encode()).hexdigest()[:HASH_LENGTH]
        filled = f"{filled[: MAX_LENGTH - HASH_LENGTH - 1].rstrip('-')}-{digest}"
    return filled
