# SPDX-License-Identifier: Apache-2.0
"""
The value that a job leaves behind for what is downstream: where it stands, and how it is read. Pure.

The rule that must not be relaxed: what is not surely the whole value is refused. A line whose beginning the API does
not show may be good JSON and say something else.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NamedTuple, NoReturn

from airflow_batch_events.events.values import kind_of, text_of
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.limits import MAX_COS_KEY, MAX_LOG_BYTES
from airflow_batch_events.text import printable

ResultFrom = Literal["stdout-json"]
"""Where a value is taken from: the last line of standard output, as JSON."""

MAX_RESULT = 2**20
"""Bytes of an object in COS that is read as a value: it becomes a row of Airflow's database."""

MAX_RESULTS = 100
"""Jobs of one task whose values are read; each takes two calls or more, one after the other."""

JOB_ID = "${BATCH_JOB_ID}"
"""What stands for the job's id in a path, as in the API's RedirectInfo."""

_PLACEHOLDER = re.compile(r"\$\{[^}]*\}?")
_COS = re.compile(
    r"cos://(?P<bucket>[a-z0-9][a-z0-9-]*-[0-9]+)(\.cos\.(?P<region>[a-z0-9-]+)\.(myqcloud\.com|tencentcos\.cn))?/"
    r"(?P<key>[^/].*)",
    re.DOTALL,
)


class CosPath(NamedTuple):
    """
    An object in COS.

    :param bucket: The bucket's name with the account's APPID, ``results-1250000000``.
    :param region: The bucket's region; None for that of the connection.
    :param key: The object's key.
    """

    bucket: str
    region: str | None
    key: str

    @classmethod
    def parse(cls, path: str) -> CosPath:
        """
        Read a path as the Batch API writes it, or without the host behind the bucket.

        :raises ValueError: For anything else.
        """
        found = _COS.fullmatch(path)
        if found is None or found["key"].endswith("/") or not found["key"].isprintable():
            raise ValueError(
                f"{printable(path, 300)!r} is no object in COS, such as "
                f"cos://results-1250000000.cos.ap-guangzhou.myqcloud.com/{JOB_ID}.json, or cos://results-1250000000/..."
            )
        if len(found["key"].encode()) > MAX_COS_KEY:
            raise ValueError(f"its key has more than {MAX_COS_KEY} bytes, which COS does not take")
        return cls(found["bucket"], found["region"], found["key"])


def result_path_of(name: str, value: object) -> str:
    """
    Read the path of an object in COS, in which ``${BATCH_JOB_ID}`` stands for the job's id.

    :raises ParameterError: For anything else.
    """
    path = text_of(name, value)
    unknown = [found for found in _PLACEHOLDER.findall(path) if found != JOB_ID]
    if unknown:
        raise ParameterError(f"{name} has {printable(unknown[0], 100)}, where only {JOB_ID} has a value")
    try:
        CosPath.parse(path)
    except ValueError as error:
        raise ParameterError(f"{name}: {error}") from error
    return path


def path_for(path: str, job_id: str) -> CosPath:
    """Return the object of a job."""
    return CosPath.parse(path.replace(JOB_ID, job_id))


def last_line(stdout: str) -> str:
    """
    Return the last line that is not blank.

    :param stdout: What the API shows of it.
    :raises ValueError: When there is none, and when its beginning may not be shown.
    """
    text = stdout.rstrip()
    if not text:
        raise ValueError("nothing stands there")
    before, _, line = text.rpartition("\n")
    if not before and len(stdout.encode()) >= MAX_LOG_BYTES:
        raise ValueError(
            f"it is longer than the {MAX_LOG_BYTES} bytes of output that the API shows: write it to COS, and name it "
            f"as result_path"
        )
    # Of a line that was written over, as progress bars do, the last state counts.
    return line.rpartition("\r")[2].strip()


def json_value(text: str | bytes) -> Any:
    """
    Read JSON as its standard has it: without NaN, and without the same key twice.

    :raises ValueError: Saying where it is none; the text is not quoted.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is no JSON: it is not in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} at character {error.pos + 1}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it is no JSON: {name} is no number there")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice in one object")
    return found


def result_from_of(name: str, value: object) -> ResultFrom:
    """
    Read where a value is taken from.

    :raises ParameterError: For anything else.
    """
    if value != "stdout-json":
        shown = repr(printable(value, 100)) if isinstance(value, str) else kind_of(value)
        raise ParameterError(f"{name} is {shown}, must be 'stdout-json'; a value in COS is named by result_path")
    return "stdout-json"
