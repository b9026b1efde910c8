# SPDX-License-Identifier: Apache-2.0
"""Queues for Airflow's message queue triggers."""
