# SPDX-License-Identifier: Apache-2.0
"""Submit exactly once: who submitted what, and what a later try does about it. Nothing here knows Airflow."""
