# SPDX-License-Identifier: Apache-2.0
"""What is published: both distributions, built so that anybody can build the same bytes, and what they depend on."""

from __future__ import annotations
