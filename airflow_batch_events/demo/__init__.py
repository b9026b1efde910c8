# SPDX-License-Identifier: Apache-2.0
"""Real Airflow on this machine, started and stopped from Python: for ``make demo`` and for the integration tests."""

from __future__ import annotations
