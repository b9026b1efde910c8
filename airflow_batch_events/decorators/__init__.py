# SPDX-License-Identifier: Apache-2.0
"""Task decorators; Airflow finds them as ``@task.<name>``."""
