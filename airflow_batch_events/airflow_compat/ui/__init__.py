# SPDX-License-Identifier: Apache-2.0
"""What a page in Airflow's UI stands on: the plugin class, who may read what, and the rows of Airflow's database."""

from __future__ import annotations
