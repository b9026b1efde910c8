# SPDX-License-Identifier: Apache-2.0
"""A queue, and the parts that it is made of."""

from __future__ import annotations
