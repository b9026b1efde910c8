# SPDX-License-Identifier: Apache-2.0
"""
A queue for each triggerer: the place in a queue's name that each host fills with its own name.

Whoever provisions the queue and whoever reads it must arrive at the same name, so both come here, and two hosts must
not arrive at the same one: a name that is cut ends with a hash of the whole.

Source: API page 1179/55917, CreateCmqQueue (64 characters: a letter, then letters, digits and hyphens).
"""

from __future__ import annotations

import hashlib
import re

from airflow_batch_events.exceptions import ConfigurationError

HOSTNAME = "{hostname}"
"""What is replaced by the host's name; single braces, which Jinja leaves alone."""

MAX_LENGTH = 59
"""Characters of a name that was filled in, so that the names of its dead-letter queue and subscription fit into 64."""

HASH_LENGTH = 8


def queue_name_here(name: str) -> str:
    """
    Return the name of a queue on this host; a name without a place for the host's is returned as it is.

    The host's name is what Airflow calls it, ``[core] hostname_callable``. May block to find it out.

    :param name: A queue's name, which may contain ``{hostname}``.
    :raises ConfigurationError: When what comes out cannot be a queue's name.
    """
    if "{" not in name:
        return name
    # A command line that names a plain queue, and a DAG file, must not wait for Airflow's configuration.
    from airflow.sdk.configuration import conf

    host = conf.getimport("core", "hostname_callable", fallback="airflow.utils.net.getfqdn")()
    return fill_in(name, str(host))


def fill_in(name: str, host: str) -> str:
    """
    Put a host's name into a queue's.

    :param name: The queue's name with ``{hostname}`` in it.
    :param host: The host's name; what a queue's name cannot hold becomes a hyphen.
    :raises ConfigurationError: When what comes out cannot be a queue's name.
    """
    filled = name.replace(HOSTNAME, re.sub(r"[^A-Za-z0-9]+", "-", host).strip("-"))
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", filled):
        raise ConfigurationError(
            f"queue_name {name!r} is {filled!r} on host {host!r}, which cannot be a queue's name: it must begin with a "
            f"letter and hold only letters, digits and hyphens beside the placeholder {HOSTNAME}"
        )
    if len(filled) > MAX_LENGTH:
        digest = hashlib.sha256(f"{name} {host}".encode()).hexdigest()[:HASH_LENGTH]
        filled = f"{filled[: MAX_LENGTH - HASH_LENGTH - 1].rstrip('-')}-{digest}"
    return filled
