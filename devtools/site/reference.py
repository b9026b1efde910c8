# SPDX-License-Identifier: Apache-2.0
"""
The reference: what users import, type and configure, written from the code.

A module is public if the provider lists it, if users import from its whole room, or if a class of such a module extends
one of it, because parameters are explained where they are defined. A class or a function has its entry where users
import it from: on the page of the module that exports it in ``__all__``, else of the one that defines it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import os
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from unittest import mock

import airflow_batch_events
from airflow_batch_events.cli.commands import COMMANDS
from airflow_batch_events.cli.main import main
from airflow_batch_events.get_provider_info import get_provider_info

NAME = airflow_batch_events.__name__
PACKAGE = Path(airflow_batch_events.__file__).parent

LISTED = ("operators", "sensors", "triggers", "hooks")
"""The rooms of which the provider lists the modules that users import from."""

ROOMS = ("decorators", "queues", "links", "assets")
"""The rooms that users import from."""

MODULES = ("exceptions", "events.catalog", "events.job_builder", "events.outcome")
"""What users import from other rooms."""

_LOGS = {"info", "warning", "error", "exception"}


def public_modules() -> list[str]:
    """Return the names of the public modules."""
    info = get_provider_info()
    found = {f"{NAME}.{module}" for module in MODULES}
    found |= {module for room in LISTED for entry in info[room] for module in entry["python-modules"]}
    for room in ROOMS:
        found |= {module.name for module in pkgutil.walk_packages([str(PACKAGE / room)], f"{NAME}.{room}.")}
    rooms = tuple(f"{NAME}.{room}." for room in LISTED)
    for item in [item for name in found for item in vars(importlib.import_module(name)).values()]:
        if inspect.isclass(item) and item.__module__ in found:
            found |= {base.__module__ for base in item.__mro__ if base.__module__.startswith(rooms)}
    return sorted(found)


def public_names() -> dict[str, list[str]]:
    """Return what has an entry, by the module on whose page it is."""
    modules = {name: importlib.import_module(name) for name in public_modules()}
    exported = {id(getattr(module, name)) for module in modules.values() for name in getattr(module, "__all__", ())}
    return {
        name: _exported(module) or [one for one, item in _own(module) if id(item) not in exported]
        for name, module in modules.items()
    }


def _exported(module: ModuleType) -> list[str]:
    names = getattr(module, "__all__", ())
    return [one for one in names if inspect.isclass(getattr(module, one)) or inspect.isfunction(getattr(module, one))]


def _own(module: ModuleType) -> Iterator[tuple[str, object]]:
    for name, item in vars(module).items():
        is_public = not name.startswith("_") and (inspect.isclass(item) or inspect.isfunction(item))
        if is_public and item.__module__ == module.__name__:
            yield name, item


def pages() -> dict[str, str]:
    """Return the pages of the reference by their paths."""
    names = public_names()
    found = {f"reference/{module}.md": _module_page(module, names[module]) for module in names if names[module]}
    found["reference/command-line.md"] = _command_line()
    found["reference/configuration.md"] = _configuration()
    found["reference/log-lines.md"] = _log_lines()
    listed = "\n".join(sorted(module for module in names if names[module]))
    found["reference/index.md"] = (
        "# Reference\n\n"
        "Written from the code. Metrics, and what deserves an alert, are in [the guide]"
        "(../howto.md#metrics-and-log-lines).\n\n"
        "```{toctree}\n:maxdepth: 1\n\ncommand-line\nconfiguration\nlog-lines\n```\n\n"
        f"## Python\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return found


def _module_page(module: str, names: list[str]) -> str:
    short = module.removeprefix(f"{NAME}.")
    lines = [f"# {short}", "", "```{eval-rst}", f".. automodule:: {module}", "   :no-members:", ""]
    imported = importlib.import_module(module)
    for name in names:
        item = getattr(imported, name)
        if inspect.isclass(item):
            lines += [f".. autoclass:: {module}.{name}", "   :members:", "   :show-inheritance:", ""]
        else:
            lines += [f".. autofunction:: {module}.{name}", ""]
    return "\n".join([*lines, "```", ""])


def _command_line() -> str:
    parts = ["# Command line\n\nHow scripts use it: [the guide](../howto.md#commands-in-scripts).\n"]
    parts += [f"## airflow-batch-events {name}\n\n```text\n{_help(name)}```\n" for name in sorted(COMMANDS)]
    return "\n".join(parts)


def _help(command: str) -> str:
    printed = io.StringIO()
    wide = mock.patch.dict(os.environ, COLUMNS="100")
    with wide, contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([command, "--help"])
    return printed.getvalue()


def _configuration() -> str:
    info = get_provider_info()
    lines = ["# Configuration", "", "## Airflow's configuration", ""]
    for section, content in info["config"].items():
        for option, told in content["options"].items():
            lines += [
                f"### [{section}] {option}",
                "",
                told["description"],
                "",
                f"Environment variable `AIRFLOW__{section.upper()}__{option.upper()}`, default `{told['default']!r}`, "
                f"example `{told['example']}`, since {told['version_added']}.",
                "",
            ]
    lines += ["## The connection", "", "How keys are found: [the guide](../howto.md#keys-roles-and-proxies).", ""]
    for connection in info["connection-types"]:
        behaviour = connection["ui-field-behaviour"]
        lines += [f"Type `{connection['connection-type']}`.", "", "| Name | In the form | Default | Meaning |"]
        lines += ["| --- | --- | --- | --- |"]
        for name, label in behaviour["relabeling"].items():
            lines.append(f"| `{name}` | {label} | | {behaviour['placeholders'][name]} |")
        for name, field in connection["conn-fields"].items():
            default = field["schema"].get("default")
            lines.append(
                f"| `{name}`, in extra | {field['label']} | {'' if default is None else f'`{default}`'} "
                f"| {field['description'].replace('|', chr(92) + '|')} |"
            )
    return "\n".join([*lines, ""])


def _log_lines() -> str:
    lines = [
        "# Log lines",
        "",
        "What the package logs from level INFO on, by the module that logs it. `%s` stands for what differs. A logger",
        f"is named as its module, for example `{NAME}.dispatch.reader`. What the lines of a triggerer mean is in",
        "[the guide](../howto.md#metrics-and-log-lines).",
        "",
        "| Module | Level | Line |",
        "| --- | --- | --- |",
    ]
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for level, text in log_lines(path.read_text()):
            shown = text.replace("|", "\\|").replace("`", "'").replace("\n", " ")
            lines.append(f"| {module} | {'error' if level == 'exception' else level} | `{shown}` |")
    return "\n".join([*lines, ""])


def log_lines(code: str) -> list[tuple[str, str]]:
    """Return level and text of each line that a module logs, from INFO on, in the order of the module."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOGS:
            is_logger = re.fullmatch(r"(self\.)?log", ast.unparse(node.func.value)) is not None
            if is_logger and node.args:
                text = node.args[0]
                said = text.value if isinstance(text, ast.Constant) else "%s"
                found.append((node.lineno, node.func.attr, str(said)))
    return [(level, text) for _, level, text in sorted(found)]


def stage(folder: Path) -> Mapping[str, str]:
    """Write the pages of the reference into a folder, and return them."""
    from devtools.site.pages import write

    found = pages()
    for path, text in found.items():
        write(folder / path, text)
    return found
