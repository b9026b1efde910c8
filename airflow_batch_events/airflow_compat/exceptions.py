# SPDX-License-Identifier: Apache-2.0
"""
Airflow's exceptions.

``TaskDeferralError`` and ``TaskDeferralTimeout`` are what a resumed task gets, instead of an event, when Airflow itself
has ended its wait (``sdk/bases/operator.py``, line 1705); only ``resume_execution`` sees them. ``AirflowTaskTimeout``
that leaves ``execute`` makes Airflow call ``on_kill`` (``sdk/execution_time/task_runner.py``, line 2188).

Source: ``sdk/exceptions.py``. Since: 3.2; before, most of them are in ``airflow.exceptions``. It can go when 3.1 is not
supported.
"""

from __future__ import annotations

try:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferralError,
        TaskDeferralTimeout,
        TaskDeferred,
    )
except ImportError:
    from airflow.exceptions import (  # type: ignore[attr-defined,no-redef]
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferralError,
        TaskDeferralTimeout,
        TaskDeferred,
    )

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "TaskDeferralError",
    "TaskDeferralTimeout",
    "TaskDeferred",
]
