# SPDX-License-Identifier: Apache-2.0
"""Subcommands of ``airflow-batch-events`` that work on a connection's cloud."""
