# SPDX-License-Identifier: Apache-2.0
"""The guides show what is in the example DAGs, and only that. ``python tests/test_docs.py`` brings them up to date."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs").glob("*.md"))
INCLUDED = re.compile(r"(<!-- (?P<file>dags/\w+\.py) (?P<mark>\w+) -->\n```python\n)(?P<code>.*?)(```)", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)(?P<target>[^)#]+)")


def marked(file: str, mark: str) -> str:
    """Return what stands between the marks of an example."""
    text = (ROOT / file).read_text()
    found = re.search(rf"^ *# \[START {mark}\]\n(.*?)^ *# \[END {mark}\]$", text, re.DOTALL | re.MULTILINE)
    assert found, f"{file} has no marks {mark}"
    return textwrap.dedent(found.group(1)).rstrip() + "\n"


def test_every_example_in_a_guide_is_the_one_in_the_dag():
    examples = [match for guide in GUIDES for match in INCLUDED.finditer(guide.read_text())]
    assert len(examples) >= 4
    for example in examples:
        assert example["code"] == marked(example["file"], example["mark"])


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page):
    for link in LINK.finditer(page.read_text()):
        assert (page.parent / link["target"]).exists(), link["target"]


if __name__ == "__main__":
    for guide in GUIDES:
        text = guide.read_text()
        guide.write_text(INCLUDED.sub(lambda m: m[1] + marked(m["file"], m["mark"]) + m[5], text))
