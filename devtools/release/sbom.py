# SPDX-License-Identifier: Apache-2.0
"""
What a distribution brings along: a bill of materials in CycloneDX's form, and a list of the licenses.

It describes an environment in which the pinned versions are installed, because a distribution itself names no versions:
those are the ones that it was tested with. Extras are left out. Nothing in it depends on when or where it was made.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import Distribution, distribution
from typing import Any

from packaging.requirements import Requirement

SPEC = "1.6"


def normalized(name: str) -> str:
    """Return the one form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_of(one: Distribution, extras: frozenset[str] = frozenset()) -> Iterator[Requirement]:
    """Yield what an installed distribution needs here, for itself and for extras of it."""
    for text in one.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def dependencies_of(name: str) -> dict[str, list[str]]:
    """
    Return all that a distribution needs, itself included: the names of its direct dependencies by name.

    :raises PackageNotFoundError: When something that is needed is not installed.
    """
    found: dict[str, set[str]] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    waiting = [(normalized(name), frozenset[str]())]
    while waiting:
        item = waiting.pop()
        if item in done:
            continue
        done.add(item)
        needed = found.setdefault(item[0], set())
        for requirement in requirements_of(distribution(item[0]), item[1]):
            other = normalized(requirement.name)
            # An extra of itself.
            if other != item[0]:
                needed.add(other)
            waiting.append((other, frozenset(requirement.extras)))
    return {one: sorted(found[one]) for one in sorted(found)}


def license_of(one: Distribution) -> str:
    """Return what a distribution says about its license, in a line."""
    told = one.metadata
    if "License-Expression" in told:
        return told["License-Expression"]
    classified = [
        value.rpartition(" :: ")[2]
        for value in told.get_all("Classifier") or ()
        if value.startswith("License :: ") and not value.endswith("OSI Approved")
    ]
    named = "".join(told.get_all("License") or ()).strip().splitlines()
    return " or ".join(classified) or (named[0][:80] if named else "not said")


def bill_of_materials(name: str, time: int) -> str:
    """
    Return the bill of materials of an installed distribution, as JSON.

    :param name: The distribution.
    :param time: Unix seconds that it is dated with.
    """
    needed = dependencies_of(name)
    components = {one: _component(distribution(one)) for one in needed}
    main = components.pop(normalized(name))
    content: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(time, timezone.utc).isoformat(),
            "component": main,
        },
        "components": list(components.values()),
        "dependencies": [
            {"ref": _address(distribution(one)), "dependsOn": [_address(distribution(other)) for other in others]}
            for one, others in needed.items()
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(content, sort_keys=True))
    return json.dumps({**content, "serialNumber": f"urn:uuid:{serial}"}, indent=2) + "\n"


def _component(one: Distribution) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": _address(one),
        "name": one.name,
        "version": one.version,
        "purl": _address(one),
        "licenses": [{"license": {"name": license_of(one)}}],
    }


def _address(one: Distribution) -> str:
    return f"pkg:pypi/{normalized(one.name)}@{one.version}"


def notices(name: str) -> str:
    """Return the list of what an installed distribution brings along, with licenses, as Markdown."""
    others = [distribution(one) for one in dependencies_of(name) if one != normalized(name)]
    lines = [f"# What {name} depends on", "", "Nothing of it is part of the distribution. Extras are left out.", ""]
    lines += ["| Distribution | Version | License, as it says |", "| --- | --- | --- |"]
    lines += [f"| {one.name} | {one.version} | {license_of(one).replace('|', '/')} |" for one in others]
    return "\n".join([*lines, ""])
