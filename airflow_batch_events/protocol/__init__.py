# SPDX-License-Identifier: Apache-2.0
"""Talk to the cloud: values in, typed values out. Nothing here knows Airflow."""
