# SPDX-License-Identifier: Apache-2.0
"""Real Airflow with its database on this machine, started and stopped from Python, for demo and tests."""

from __future__ import annotations
