# SPDX-License-Identifier: Apache-2.0
"""What developers and tests of this project run, and users do not get: the demo, a real Airflow, benchmarks."""

from __future__ import annotations
