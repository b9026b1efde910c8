# SPDX-License-Identifier: Apache-2.0
"""
What the metadata says of the place where the project is published.

The README's links lead to files beside it, which is right in a clone and in any fork, but leads nowhere on the page of
a package index. So a build that is told the address (``PROJECT_URL``) makes them absolute and names the project's
pages. A build that is not told invents none.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"\]\((?![a-z]+:|#)(?P<target>[^)]+)\)")


class PublishedMetadata(MetadataHookInterface):
    """Set ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add them to the metadata of the project."""
        root = Path(self.root)
        address = os.environ.get("PROJECT_URL", "").rstrip("/")
        text = (root / "README.md").read_text(encoding="utf-8")
        urls = dict(self.config["urls"])
        if address:
            text = _RELATIVE.sub(rf"]({address}/blob/v{metadata['version']}/\g<target>)", text)
            urls |= {
                "Homepage": address,
                "Source": address,
                "Issues": f"{address}/issues",
                "Changelog": f"{address}/blob/v{metadata['version']}/CHANGELOG.md",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls
