# SPDX-License-Identifier: Apache-2.0
"""The guides show what is in the example DAGs, and only that. ``python tests/test_docs.py`` brings them up to date."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from airflow_batch_events import __version__
from airflow_batch_events.dispatch import metrics

ROOT = Path(__file__).parents[1]
ABOUT = [ROOT / f"{name}.md" for name in ("CHANGELOG", "CODE_OF_CONDUCT", "CONTRIBUTING", "SECURITY")]
GUIDES = [*ABOUT, *sorted((ROOT / "docs").rglob("*.md"))]
MAX_PICTURE = 200_000
"""Bytes."""
INCLUDED = re.compile(r"(<!-- (?P<file>dags/\w+\.py) (?P<mark>\w+) -->\n```python\n)(?P<code>.*?)(```)", re.DOTALL)
PATH = re.compile(r"`((?:airflow_batch_events|dags|devtools|docs|emulator|tests)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#]*)(?:#(?P<anchor>[^)]+))?\)")


def marked(file: str, mark: str) -> str:
    """Return what stands between the marks of an example."""
    text = (ROOT / file).read_text()
    found = re.search(rf"^ *# \[START {mark}\]\n(.*?)^ *# \[END {mark}\]$", text, re.DOTALL | re.MULTILINE)
    assert found, f"{file} has no marks {mark}"
    return textwrap.dedent(found.group(1)).rstrip() + "\n"


def test_examples_are_those_of_the_dags() -> None:
    examples = [match for guide in GUIDES for match in INCLUDED.finditer(guide.read_text())]
    assert len(examples) >= 4
    for example in examples:
        assert example["code"] == marked(example["file"], example["mark"])


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.finditer(page.read_text()):
        target = page.parent / link["target"] if link["target"] else page
        assert target.exists(), link[0]
        if link["anchor"]:
            assert link["anchor"] in anchors(target), link[0]


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page can be linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_shows_every_example() -> None:
    assert set(re.findall(r"\(dags/(\w+)\.py\)", (ROOT / "README.md").read_text())) == {
        file.stem for file in (ROOT / "dags").glob("*.py")
    }


def test_the_guide_lists_the_metrics() -> None:
    sent = set()
    rooms = [ROOT / "airflow_batch_events" / room for room in ("dispatch", "triggers", "waiting")]
    for file in (file for room in rooms for file in room.rglob("*.py")):
        sent |= set(re.findall(r"metrics\.(?:count|time|level)\(\"([\w.]+)\"", file.read_text()))
    guide = (ROOT / "docs" / "howto.md").read_text()
    listed = set(re.findall(r"^\| `([\w.]+)` \| (?:gauge|counter|timing) \|", guide, re.MULTILINE))
    explained = set(re.findall(r"^``([\w.]+)`` ", metrics.__doc__ or "", re.MULTILINE))
    assert sent == listed == explained


def test_each_picture_is_shown_and_loads_fast() -> None:
    shown = "".join(page.read_text() for page in [ROOT / "README.md", *GUIDES])
    pictures = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".png", ".svg")]
    assert len(pictures) >= 6
    # The logo is shown by Airflow and by the site.
    assert [path.name for path in pictures if path.name not in shown and path.name != "logo.svg"] == []
    assert [path.name for path in pictures if path.stat().st_size > MAX_PICTURE] == []
    # A drawing that fetched something would look different in the repository, and tell who reads it.
    for drawing in (path for path in pictures if path.suffix == ".svg"):
        assert re.findall(r"(?:href|src|url)[=(]\W*https?:", drawing.read_text()) == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.name)
def test_every_named_path_exists(page: Path) -> None:
    assert [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()] == []


def test_ten_things_can_be_found() -> None:
    (section,) = re.findall(r"^## Where to find things\n(.*)", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.M)
    answers = re.findall(r"^\| Where .*\? \| (.+) \|$", section, re.MULTILINE)
    assert len(answers) >= 10
    assert all(PATH.search(answer) for answer in answers)


def test_the_changelog_has_the_form_that_it_names() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections[0] == "[Unreleased]"
    assert sections[1:], "a version is released"
    for section in sections[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", section)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds
    assert __version__ in text


if __name__ == "__main__":
    for guide in GUIDES:
        text = guide.read_text()
        guide.write_text(INCLUDED.sub(lambda m: m[1] + marked(m["file"], m["mark"]) + m[5], text))
