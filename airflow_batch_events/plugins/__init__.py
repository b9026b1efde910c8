# SPDX-License-Identifier: Apache-2.0
"""The page "Batch" in Airflow's UI."""

from __future__ import annotations
