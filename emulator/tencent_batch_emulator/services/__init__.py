# SPDX-License-Identifier: Apache-2.0
"""The services of the cloud, each with its state and rules, and the keys that they are called with; none knows HTTP."""

from __future__ import annotations
