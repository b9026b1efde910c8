# SPDX-License-Identifier: Apache-2.0
"""The services of the cloud, each with its state and rules; none knows HTTP."""

from __future__ import annotations
