# SPDX-License-Identifier: Apache-2.0
"""
The class that a plugin extends. Every Airflow process loads plugins, so nothing else may be imported here.

Source: ``sdk/plugins_manager.py``, which workers have loaded anyway. Since: 3.2; before, only the class of Airflow's
server side is taken for a plugin's (``plugins_manager.py`` of 3.1, line 218). It can go when 3.1 is not supported.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_batch_events.airflow_compat.configuration import conf

try:
    from airflow.sdk.plugins_manager import AirflowPlugin
except ImportError:
    from airflow.plugins_manager import AirflowPlugin  # type: ignore[assignment]  # the same class, copied

__all__ = ["AirflowPlugin", "address_in_ui"]


def address_in_ui(path: str) -> str:
    """
    Return the address at which a browser finds what a plugin's app has below a path.

    Airflow 3.1 imports a page's module by what it is given, and would take a path without a slash for a package's name;
    a path with one leads past the folder that Airflow may be served in.

    Source: the UI's ``ReactPlugin``, which has no public contract. Since: before 3.1. It can go when ``bundle_url`` is
    told to be relative to ``[api] base_url``.
    """
    return f"{urlsplit(conf.get('api', 'base_url', fallback=None) or '').path.rstrip('/')}{path}"
