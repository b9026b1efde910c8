# SPDX-License-Identifier: Apache-2.0
"""The name of a queue on this host, where each host has its own; see ``provisioning/queue_names.py``."""

from __future__ import annotations

from airflow_batch_events.provisioning.queue_names import fill_in


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
    from airflow_batch_events.airflow_compat.configuration import host_name

    return fill_in(name, host_name())
