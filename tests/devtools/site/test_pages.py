# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest

from devtools.site import pages
from devtools.site.pages import ROOT, named_in, pages_of_files, relocated

PAGES = {
    "README.md": "overview.md",
    "docs/README.md": "index.md",
    "docs/howto.md": "howto.md",
    "docs/decisions/README.md": "decisions/index.md",
    "docs/decisions/one.md": "decisions/one.md",
    "dags": "examples/index.md",
    "dags/a.py": "examples/a.md",
}


@pytest.mark.parametrize(
    ("file", "link", "expected"),
    [
        ("README.md", "[x](docs/howto.md#part)", "[x](howto.md#part)"),
        ("README.md", "[`a`](dags/a.py)", "[`a`](examples/a.md)"),
        ("README.md", "[x](docs/decisions/one.md)", "[x](decisions/one.md)"),
        ("docs/howto.md", "[x](../README.md)", "[x](overview.md)"),
        ("docs/howto.md", "[all](../dags)", "[all](examples/index.md)"),
        ("docs/howto.md", "[here](#part)", "[here](#part)"),
        ("docs/decisions/one.md", "[x](../howto.md#part)", "[x](../howto.md#part)"),
        ("docs/howto.md", "[x](decisions/README.md)", "[x](decisions/index.md)"),
        ("docs/howto.md", "[the test](../tests/test_docs.py)", "the test"),
        ("docs/howto.md", "[x](https://example.com)", "[x](https://example.com)"),
        ("docs/howto.md", "![a way](way.svg)", "![a way](way.svg)"),
        ("docs/decisions/one.md", "![a way](../way.svg)", "![a way](../way.svg)"),
    ],
)
def test_a_link_is_right_where_the_page_is(file: str, link: str, expected: str) -> None:
    assert relocated(f"See {link}.", file, PAGES) == f"See {expected}."


def test_code_that_looks_like_a_link_stays() -> None:
    text = "```python\na[0](x.md)\n```\n[x](README.md)\n"
    assert relocated(text, "README.md", PAGES) == "```python\na[0](x.md)\n```\n[x](overview.md)\n"


def test_every_guide_decision_and_example_has_a_page() -> None:
    found = pages_of_files()
    for folder, ending in (("docs", "md"), ("dags", "py")):
        for path in (ROOT / folder).rglob(f"*.{ending}"):
            assert path.relative_to(ROOT).as_posix() in found
    assert len(set(found.values())) == len(found)


def test_the_contents_name_every_page(tmp_path: Path) -> None:
    pages.stage(tmp_path)
    indexes = ("index.md", "decisions/index.md", "examples/index.md")
    for index in indexes:
        folder = (tmp_path / index).parent
        listed = named_in((tmp_path / index).read_text())
        assert {page.stem for page in folder.glob("*.md")} - {"index"} <= listed


def test_a_page_that_is_not_in_the_contents_is_listed_last(tmp_path: Path) -> None:
    for name in ("docs/README.md", "docs/new.md", "docs/decisions/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# One\n")
    pages.stage(tmp_path / "site", tmp_path)
    assert (tmp_path / "site" / "index.md").read_text().endswith("\nnew\n```\n")


def test_staged_pages_link_to_staged_pages(tmp_path: Path) -> None:
    pages.stage(tmp_path)
    # The other half of the site, which is written from the code.
    pages.write(tmp_path / "reference/index.md", "")
    links = 0
    for page in tmp_path.rglob("*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", text):
            here = page.parent.relative_to(tmp_path).as_posix()
            assert (tmp_path / posixpath.normpath(posixpath.join(here, target))).exists(), f"{page}: {target}"
            links += 1
    assert links > 50


def test_a_page_that_is_gone_leaves_the_site(tmp_path: Path) -> None:
    kept, old = tmp_path / "a.md", tmp_path / "folder" / "old.md"
    old.parent.mkdir()
    kept.write_text("a")
    old.write_text("old")
    pages.remove_others(tmp_path, {kept})
    assert list(tmp_path.iterdir()) == [kept]
