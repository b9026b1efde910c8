# SPDX-License-Identifier: Apache-2.0
"""
The Markdown files of the repository as pages of the site.

The files are written for those who read them in the repository, so their links lead to files. On the site a file is a
page elsewhere, an example is a page of its own, and other files of the repository have none: their links become plain
text. Nothing is changed but links, so a page says the same in both places.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

_NAMED = {
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "SECURITY.md": "security.md",
    "dags": "examples/index.md",
}
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:)(?P<target>[^)#]*)(?P<anchor>#[^)]+)?\)")
_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def pages_of_files(root: Path = ROOT) -> dict[str, str]:
    """Return the page of each file or folder of the repository that has one; both as paths with slashes."""
    pages = {file: page for file, page in _NAMED.items() if (root / file).exists()}
    for file in sorted((root / "docs").rglob("*.md")):
        inside = file.relative_to(root / "docs")
        page = inside.with_name("index.md") if inside.name == "README.md" else inside
        pages[file.relative_to(root).as_posix()] = page.as_posix()
    for file in sorted((root / "dags").glob("*.py")):
        pages[f"dags/{file.name}"] = f"examples/{file.stem}.md"
    return pages


def relocated(text: str, file: str, pages: Mapping[str, str]) -> str:
    """
    Return the text of a file with links that are right where its page is.

    :param text: The Markdown.
    :param file: Its path in the repository.
    :param pages: The page of each file that has one.
    """
    here = posixpath.dirname(pages[file])

    def moved(link: re.Match[str]) -> str:
        if not link["target"]:
            return link[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), link["target"]))
        if target in pages:
            page = posixpath.relpath(pages[target], here or ".")
            return f"{link['image']}[{link['text']}]({page}{link['anchor'] or ''})"
        if link["image"]:
            return f"![{link['text']}]({posixpath.relpath(target.removeprefix('docs/'), here or '.')})"
        return link["text"]

    # What is shown as code is no link.
    parts = []
    end = 0
    for code in _CODE.finditer(text):
        parts += [_LINK.sub(moved, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(moved, text[end:])])


def stage(folder: Path, root: Path = ROOT) -> None:
    """Write the pages of all files, the examples and the pictures into a folder."""
    pages = pages_of_files(root)
    for file, page in pages.items():
        if file.endswith(".md"):
            write(folder / page, relocated((root / file).read_text(), file, pages))
        elif file.endswith(".py"):
            write(folder / page, _example((root / file).read_text(), Path(file).stem))
    # The order of the pages, which a reader of the repository has no use for.
    home = folder / "index.md"
    home.write_text(home.read_text().replace("| the reference |", "| the [reference](reference/index.md) |"))
    contents = (Path(__file__).parent / "contents.md").read_text()
    _append(home, contents)
    own = {Path(page).stem for page in pages.values() if "/" not in page}
    if others := own - named_in(contents) - {"index"}:
        _append(home, _contents(sorted(others), hidden=True))
    decisions = [Path(page).stem for page in pages.values() if page.startswith("decisions/")]
    _append(folder / "decisions/index.md", _contents([name for name in decisions if name != "index"], hidden=True))
    examples = [Path(page).stem for file, page in pages.items() if file.endswith(".py")]
    write(
        folder / "examples/index.md",
        f"# Examples\n\nDAGs to copy. The tests run each of them.\n\n{_contents(examples)}",
    )
    for picture in pictures_in(root / "docs"):
        copy = folder / picture.relative_to(root / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(picture.read_bytes())


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures below a folder."""
    return [*folder.rglob("*.svg"), *folder.rglob("*.png")]


def named_in(contents: str) -> set[str]:
    """Return the pages that a list of contents names."""
    return set(re.findall(r"^(?:.* <)?([\w/-]+)>?$", contents, re.MULTILINE))


def _append(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text()}\n{text}")


def _contents(names: list[str], *, hidden: bool = False) -> str:
    options = ":hidden:" if hidden else ":maxdepth: 1"
    listed = "\n".join(sorted(names))
    return f"```{{toctree}}\n{options}\n\n{listed}\n```\n"


def _example(code: str, name: str) -> str:
    shown = re.sub(r"^ *# \[(?:START|END) \w+\]\n", "", code, flags=re.MULTILINE)
    return f"# {name}\n\n```python\n{shown}```\n"


def write(path: Path, text: str) -> None:
    """Write a page, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def remove_others(folder: Path, kept: set[Path]) -> None:
    """Remove the pages of an earlier run that were not written in this one."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path not in kept:
            path.unlink()
        elif path.is_dir() and not os.listdir(path):
            path.rmdir()
