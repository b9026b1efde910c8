# SPDX-License-Identifier: Apache-2.0
"""
Read values as DAG files and templates write them: ids, names, objects, counts, custom parameters.

Rendering changes types. A template that is a whole field makes text of a list, ``render_template_as_native_obj`` makes
a number of text, and the output of a mapped task is a lazy sequence. What can mean one thing only is taken; everything
else is refused, with the parameter's name, the type that was given and what is taken. No message shows a value
that may hold a secret.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, TypeGuard

from airflow_batch_events.exceptions import ParameterError

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

NOTHING = ("", "None", "null")
"""What a template makes of a value that is not there, as text."""

_FLAGS = {"true": True, "false": False}
_WHY_NONE = "the task that it comes from was skipped, or has pushed nothing"


def kind_of(value: object) -> str:
    """Return a value's type for a message: ``None``, ``a text``, ``a dict``."""
    if value is None:
        return "None"
    name = {"str": "text"}.get(type(value).__name__, type(value).__name__)
    return f"an {name}" if name[:1] in "aeiou" else f"a {name}"


def unfold(value: object) -> object:
    """Return the list or object that a text spells in JSON, or as Python shows it; anything else as it is."""
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found: object = read(value.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return found
    return value


def is_list(value: object) -> TypeGuard[Sequence[Any] | Set[Any]]:
    """Whether a value is several: a list, a set, the lazy sequence of a mapped task; no text and no mapping."""
    return isinstance(value, Sequence | Set) and not isinstance(value, str | bytes | bytearray)


def items_of(value: Iterable[Any]) -> list[Any]:
    """Return the items of what :func:`is_list` says yes to; those of a set in an order that is always the same."""
    return sorted(value, key=str) if isinstance(value, Set) else list(value)


def text_of(name: str, value: object) -> str:
    """
    Read text; a whole number is taken for its digits.

    :raises ParameterError: For anything else, and for text that is blank.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ParameterError(f"{name} is {kind_of(value)}, must be text{_why(value)}")
    if not value.strip():
        raise ParameterError(f"{name} is blank: give it a value, or leave it out")
    return value


def name_of(name: str, value: object) -> str:
    """
    Read a name or an id, which is on one line and has no spaces.

    :raises ParameterError: For what is no text or number, is blank, or cannot be a name.
    """
    text = text_of(name, value)
    if not text.isprintable() or " " in text:
        raise ParameterError(f"{name} is {_shown(text)}, must be a name or an id, without spaces and line breaks")
    return text


def job_id_of(name: str, value: object) -> str:
    """
    Read the id of one job.

    :param name: The parameter, for messages.
    :param value: An id, the outcome of a wait (its job is taken), or the JSON text of an outcome.
    :raises ParameterError: For anything else.
    """
    value = unfold(value)
    if isinstance(value, Mapping):
        if not value.get("job_id"):
            raise ParameterError(f"{name} is {kind_of(value)} without a job_id, must be a job id or an outcome")
        value = value["job_id"]
    if value is None or (isinstance(value, str) and value.strip() in NOTHING):
        shown = "None" if value is None else repr(value)
        raise ParameterError(f"{name} is {shown}, must be a job id: {_WHY_NONE}")
    if not isinstance(value, str):
        shown = f"{value} ({type(value).__name__})" if isinstance(value, int | float) else kind_of(value)
        raise ParameterError(f"{name} is {shown}, must be a job id or the outcome of one job")
    if not _JOB_ID.fullmatch(value):
        raise ParameterError(f"{name} is {_shown(value)}, which cannot be a job id such as job-97zcl3wt")
    return value


def job_ids_of(name: str, value: object) -> str | list[str]:
    """
    Read the ids of one job or of several.

    :param name: The parameter, for messages.
    :param value: What :func:`job_id_of` takes, a list of such, the output of a mapped task, or the JSON text of a list.
    :return: Text for one, else a list, which may be empty.
    :raises ParameterError: For anything else, and for a job that is named twice.
    """
    value = unfold(value)
    if not is_list(value):
        return job_id_of(name, value)
    job_ids = [job_id_of(f"{name}[{index}]", item) for index, item in enumerate(items_of(value))]
    if len(set(job_ids)) < len(job_ids):
        twice = sorted({job_id for job_id in job_ids if job_ids.count(job_id) > 1})
        raise ParameterError(f"{name} names a job twice: {', '.join(twice)}")
    return job_ids


def some_job_ids_of(name: str, value: object) -> str | list[str]:
    """
    Read the ids of one job or of several, at least one.

    :raises ParameterError: As :func:`job_ids_of` does, and for an empty list.
    """
    job_ids = job_ids_of(name, value)
    if not job_ids:
        raise ParameterError(f"{name} is an empty list: the task that it comes from has pushed no job")
    return job_ids


def mapping_of(name: str, value: object) -> dict[Any, Any]:
    """
    Read an object: a dictionary, or the text of one.

    :raises ParameterError: For anything else, and for an empty one; the message does not show it.
    """
    read = unfold(value)
    if not isinstance(read, Mapping):
        how = "text that is no JSON object" if isinstance(value, str) else kind_of(value)
        raise ParameterError(f"{name} is {how}, must be a dictionary, or its JSON text{_why(value)}")
    if not read:
        raise ParameterError(f"{name} is an empty dictionary: give it a value, or leave it out")
    return dict(read)


def objects_of(name: str, value: object) -> list[dict[str, Any]]:
    """
    Read a list of objects, or a single one.

    :raises ParameterError: For anything else, and for an empty list.
    """
    value = unfold(value)
    if not is_list(value):
        return [mapping_of(name, value)]
    objects = [mapping_of(f"{name}[{index}]", item) for index, item in enumerate(items_of(value))]
    if not objects:
        raise ParameterError(f"{name} is an empty list: give it a value, or leave it out")
    return objects


def texts_of(name: str, value: object) -> list[str]:
    """
    Read a list of texts, or a single one.

    :raises ParameterError: For anything else, and for an empty list.
    """
    value = unfold(value)
    texts = (
        [text_of(f"{name}[{index}]", item) for index, item in enumerate(items_of(value))] if is_list(value) else None
    )
    if texts is None:
        return [text_of(name, value)]
    if not texts:
        raise ParameterError(f"{name} is an empty list: give it a value, or leave it out")
    return texts


def whole_of(name: str, value: object, *, least: int, most: int | None = None) -> int:
    """
    Read a whole number, also one that a template has made a text.

    :raises ParameterError: For anything else, and for one out of bounds.
    """
    number: int | None = None
    if isinstance(value, str):
        number = int(value) if re.fullmatch(r"\s*\d{1,18}\s*", value, re.ASCII) else None
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if number is None or number < least or (most is not None and number > most):
        shown = _shown(value) if isinstance(value, str | int | float) else kind_of(value)
        allowed = f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}"
        raise ParameterError(f"{name} is {shown}, must be {allowed}")
    return number


def flag_of(name: str, value: object) -> bool:
    """
    Read a switch: true or false, also as the text of it.

    :raises ParameterError: For anything else: a text such as ``no`` would count as true.
    """
    read = _FLAGS.get(value.strip().lower(), value) if isinstance(value, str) else value
    if not isinstance(read, bool):
        shown = _shown(value) if isinstance(value, str | int | float) else kind_of(value)
        raise ParameterError(f"{name} is {shown}, must be True or False")
    return read


def event_var_of(name: str, value: object) -> str:
    """
    Write the value of a custom parameter as it goes out with an event, and as a filter compares it.

    :raises ParameterError: For what is no text, number or boolean; the message does not show it.
    """
    if not isinstance(value, str | int | float):
        raise ParameterError(f"{name} is {kind_of(value)}, must be text, a number or a boolean{_why(value)}")
    return str(value)


def event_vars_of(name: str, value: object) -> dict[str, str]:
    """
    Read custom parameters of events: a mapping of names to values, or its JSON text.

    :raises ParameterError: For anything else, and for a value that :func:`event_var_of` does not take.
    """
    return dict(_event_vars(name, mapping_of(name, value)))


def filter_vars_of(name: str, value: object) -> dict[str, str]:
    """
    Read custom parameters that events must have, which are stored as the argument of a trigger.

    :raises ParameterError: As :func:`event_vars_of` does, and for a name that Airflow takes for its own: it could not
        make the trigger again, and would end the triggerer.
    """
    variables = event_vars_of(name, value)
    for key in variables:
        if key.startswith("__"):
            raise ParameterError(f"{name} has the parameter {key[:50]!r}: names that begin with __ are Airflow's own")
    return variables


def _event_vars(name: str, variables: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for key, value in variables.items():
        if not isinstance(key, str) or not key:
            raise ParameterError(
                f"{name} has {kind_of(key)} as the name of a parameter, must be a text that is not empty"
            )
        yield key, event_var_of(f"{name}[{key[:50]!r}]", value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _why(value: object) -> str:
    return f": {_WHY_NONE}" if value is None else ""
