# SPDX-License-Identifier: Apache-2.0
"""
Airflow's configuration.

Source: ``sdk/configuration.py``. Since: 3.2; before, it is ``airflow.configuration``. It can go when 3.1 is not
supported.
"""

from __future__ import annotations

try:
    from airflow.sdk.configuration import conf
except ImportError:
    from airflow.configuration import conf

__all__ = ["conf"]
