# SPDX-License-Identifier: Apache-2.0
"""Build the documentation site: ``python -m devtools.site [FOLDER]``. A warning fails it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Write the pages, then let Sphinx make HTML of them; return its exit status."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "site")
    source = folder / "source"
    with tempfile.TemporaryDirectory(prefix="site-airflow-") as home:
        # Importing Airflow writes a configuration where it finds none: not into the user's own folder.
        os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CORE__LOAD_EXAMPLES="False", _AIRFLOW__AS_LIBRARY="1")
        from sphinx.cmd.build import build_main

        from devtools.site import pages, reference

        pages.stage(source)
        written = reference.stage(source)
        kept = {source / page for page in [*pages.pages_of_files().values(), *written, "examples/index.md"]}
        pages.remove_others(source, kept | set(pages.pictures_in(source)))
        # All anew: a page that has not changed would keep the old contents beside it.
        options = ["--fresh-env", "--write-all", "--fail-on-warning", "--keep-going", "--quiet"]
        options += ["-c", str(Path(__file__).parent)]
        status = int(build_main([*options, "-d", str(folder / "cache"), str(source), str(folder / "html")]))
    if status == 0:
        sys.stdout.write(f"The site is in {os.path.relpath(folder / 'html')}: open index.html.\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
