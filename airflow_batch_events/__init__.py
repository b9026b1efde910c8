# SPDX-License-Identifier: Apache-2.0
"""Run Tencent Cloud Batch jobs from Apache Airflow and wait for them by event."""

from __future__ import annotations

__version__ = "0.1.0"
