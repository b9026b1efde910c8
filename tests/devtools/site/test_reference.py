# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import inspect
import re

import pytest
from support.operators import public_operators

from airflow_batch_events.cli.commands import COMMANDS
from airflow_batch_events.get_provider_info import get_provider_info
from devtools.site import reference
from devtools.site.pages import ROOT
from devtools.site.reference import NAME, log_lines, public_modules

INFO = get_provider_info()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


@pytest.fixture(scope="module")
def entries(pages: dict[str, str]) -> set[str]:
    """What has an entry, by its full address."""
    found = [re.findall(r"^\.\. auto(?:class|function):: (\S+)$", text, re.MULTILINE) for text in pages.values()]
    listed = [name for names in found for name in names]
    assert len(listed) == len(set(listed))
    return set(listed)


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_has_an_entry(module: str, entries: set[str]) -> None:
    documented = {
        id(getattr(importlib.import_module(one.rpartition(".")[0]), one.rpartition(".")[2])) for one in entries
    }
    imported = importlib.import_module(module)
    for name in dir(imported):
        item = getattr(imported, name)
        is_public = not name.startswith("_") and (inspect.isclass(item) or inspect.isfunction(item))
        if is_public and (item.__module__ == module or name in getattr(imported, "__all__", ())):
            assert id(item) in documented, f"{module}.{name}"


def test_what_users_import_is_where_they_import_it_from(entries: set[str]) -> None:
    table = (ROOT / "README.md").read_text().partition("## What you get")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:\w+\.)+[A-Za-z_]\w*)(?:\(.*?\))?`", table)
    assert len(named) >= 10
    assert {
        f"{NAME}.{name}" for name in named if name.split(".")[0] in (*reference.LISTED, *reference.ROOMS)
    } <= entries


def test_each_parameter_that_operators_share_is_on_some_page(pages: dict[str, str]) -> None:
    # Bases have pages, because that is where what they take is explained.
    text = "\n".join(pages)
    for operator in public_operators():
        for base in operator.__mro__:
            if base.__module__.startswith(f"{NAME}.operators.") and ":param" in (base.__doc__ or ""):
                home = next(
                    one for one in public_modules() if base is getattr(importlib.import_module(one), base.__name__, 0)
                )
                assert f"reference/{home}.md" in text


def test_the_command_line_page_has_every_command_and_option(pages: dict[str, str]) -> None:
    text = pages["reference/command-line.md"]
    assert re.findall(r"^## airflow-batch-events (\w+)$", text, re.MULTILINE) == sorted(COMMANDS)
    assert len(re.findall(r"^usage: airflow-batch-events", text, re.MULTILINE)) == len(COMMANDS)
    for option in ("--dry-run", "--json", "--address-file", "--to", "--count"):
        assert option in text


def test_the_configuration_page_has_every_option_and_field(pages: dict[str, str]) -> None:
    text = pages["reference/configuration.md"]
    for section, content in INFO["config"].items():
        for option in content["options"]:
            assert f"### [{section}] {option}" in text
    (connection,) = INFO["connection-types"]
    for field in connection["conn-fields"]:
        assert f"| `{field}`, in extra |" in text


def test_log_lines_are_found_in_their_order() -> None:
    code = (
        "import logging\nlog = logging.getLogger(__name__)\n"
        "def f(self, text):\n    log.warning('Left %s', 1)\n    self.log.info(text)\n    log.debug('no')\n"
        "    log.exception('a' ' b')\n"
    )
    assert log_lines(code) == [("warning", "Left %s"), ("info", "%s"), ("exception", "a b")]


def test_the_page_of_log_lines_has_those_of_the_guide(pages: dict[str, str]) -> None:
    assert "| dispatch.reader | warning | `Cannot read %s" in pages["reference/log-lines.md"]
