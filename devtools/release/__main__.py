# SPDX-License-Identifier: Apache-2.0
"""
Build what is published, and check it: ``python -m devtools.release [--tag v1.2.3]``.

``dist/packages`` has the archives, ``dist/about`` bills of materials, licenses and checksums. It fails if two builds
differ, if an index would not show a description, if a bill of materials is not valid, or if the tag names another
version.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from devtools.release import sbom
from devtools.release.build import ROOT, build, commit_time, digests, run, uncommitted, wrong_tag

DIST = ROOT / "dist"
NAMES = ("airflow-batch-events", "tencent-batch-emulator")


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument("--tag", help="the tag that is published; must name the version of both distributions")
    if problem := wrong_tag(parser.parse_args().tag):
        _say(problem)
        return 1
    bin_folder = Path(sys.executable).parent
    if uncommitted():
        _say("Some files are not committed. What is built is the commit without them.")
    shutil.rmtree(DIST, ignore_errors=True)
    packages, about = DIST / "packages", DIST / "about"
    about.mkdir(parents=True)
    built = build(packages, bin_folder / "uv")
    with TemporaryDirectory() as folder:
        again = build(Path(folder), bin_folder / "uv")
        if digests(built) != digests(again):
            _say(f"Two builds differ: {digests(built)} and {digests(again)}")
            return 1
    run(bin_folder / "twine", "check", "--strict", *built)
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    for name in NAMES:
        text = sbom.bill_of_materials(name, commit_time())
        if error := validator.validate_str(text):
            _say(f"The bill of materials of {name} is not valid: {error}")
            return 1
        (about / f"{name}.cdx.json").write_text(text)
        (about / f"{name}-notices.md").write_text(sbom.notices(name))
    sums = "".join(f"{digest}  {name}\n" for name, digest in digests(built).items())
    (about / "SHA256SUMS").write_text(sums)
    _say(f"{sums}Built twice with the same bytes. Bills of materials and licenses are in dist/about.")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
