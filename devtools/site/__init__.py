# SPDX-License-Identifier: Apache-2.0
"""The documentation site: the Markdown files of the repository, and a reference that is written from the code."""

from __future__ import annotations
