# SPDX-License-Identifier: Apache-2.0
"""
Airflow's configuration, and what Airflow calls this machine by it.

Source: ``sdk/configuration.py``. Since: 3.2; before, it is ``airflow.configuration``. It can go when 3.1 is not
supported.
"""

from __future__ import annotations

try:
    from airflow.sdk.configuration import conf
except ImportError:
    from airflow.configuration import conf

__all__ = ["CONFIG_SECTION", "conf", "host_name"]

CONFIG_SECTION = "batch_events"
"""The section of this package."""


def host_name() -> str:
    """
    Return this host's name as ``[core] hostname_callable`` says it; may block to find it out.

    Airflow has no public function for it that every process may import.

    Source: ``utils/net.py``, line 56, which belongs to Airflow's server side; ``sdk/api/client.py``, line 154, which is
    private. Since: before 3.1. It can go when the SDK has a public function for it.
    """
    return str(conf.getimport("core", "hostname_callable", fallback="airflow.utils.net.getfqdn")())
