# SPDX-License-Identifier: Apache-2.0
"""Who gets which event: one reader per queue, many waits. Plain asyncio, no Airflow."""
