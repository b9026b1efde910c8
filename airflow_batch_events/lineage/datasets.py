# SPDX-License-Identifier: Apache-2.0
"""
The data that a job reads and writes, from the mappings in its description. Pure, and without OpenLineage.

A bucket has one name wherever it is reached, so a path is named by its bucket: two jobs that mount it by different
hosts work on the same data. Names follow https://openlineage.io/docs/spec/naming, which has the same form for S3 and
GCS and none for COS.

Sources: API page 599/15910 (Task), COS page 436/6224 (the hosts of a bucket).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from airflow_batch_events.events.values import is_list

_COS_HOST = re.compile(r"([a-z0-9][a-z0-9-]*-\d+)\.cos[a-z-]*\.[a-z0-9-]+\.(?:myqcloud\.com|tencentcos\.cn)")
"""``BUCKET-APPID.cos.REGION.myqcloud.com``, from inside the cloud or not."""


class DataName(NamedTuple):
    """
    A dataset as OpenLineage names it.

    :param namespace: Where it is, ``cos://BUCKET-APPID`` for example.
    :param name: The path there.
    """

    namespace: str
    name: str


class JobData(NamedTuple):
    """
    What jobs read and write, each once.

    :param inputs: What they read.
    :param outputs: What they write.
    """

    inputs: list[DataName]
    outputs: list[DataName]


def data_at(path: object) -> DataName | None:
    """
    Return the name of what is at a storage path; None for what is no such path.

    :param path: For example ``cos://data-1250000000.cos.ap-guangzhou.myqcloud.com/in/``.
    """
    if not isinstance(path, str):
        return None
    try:
        parts = urlsplit(path.strip())
    except ValueError:
        return None
    if not parts.scheme or not parts.netloc:
        return None
    host = parts.netloc.lower()
    if parts.scheme == "cos" and (bucket := _COS_HOST.fullmatch(host)):
        host = bucket[1]
    return DataName(f"{parts.scheme}://{host}", parts.path.strip("/") or "/")


def data_of(jobs: Iterable[object]) -> JobData:
    """
    Return what jobs read and write, in the order of their descriptions.

    :param jobs: The API's ``Job`` objects, or what DescribeJobSubmitInfo returns of them.
    """
    inputs: dict[DataName, None] = {}
    outputs: dict[DataName, None] = {}
    for job in jobs:
        for task in _mappings(job, "Tasks"):
            inputs.update(_found(task, "InputMappings", "SourcePath"))
            outputs.update(_found(task, "OutputMappings", "DestinationPath"))
    return JobData(list(inputs), list(outputs))


def _found(task: Mapping[str, Any], field: str, end: str) -> Iterator[tuple[DataName, None]]:
    for mapping in _mappings(task, field):
        name = data_at(mapping.get(end))
        if name is not None:
            yield name, None


def _mappings(holder: object, field: str) -> Iterator[Mapping[str, Any]]:
    given = holder.get(field) if isinstance(holder, Mapping) else None
    for item in given if is_list(given) else ():
        if isinstance(item, Mapping):
            yield item
