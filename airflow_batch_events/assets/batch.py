# SPDX-License-Identifier: Apache-2.0
"""
Assets for Batch jobs and compute environments: ``tencent-batch://REGION/jobs/NAME`` and ``.../envs/NAME``.

A job's id is new with each run, so an asset goes by the name that the runs share.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import SplitResult, quote, unquote

from airflow.sdk import Asset

SCHEME = "tencent-batch"

Kind = Literal["jobs", "envs"]


def create_asset(*, region: str, name: str, kind: Kind = "jobs", **kwargs: Any) -> Asset:
    """
    Make the asset of a family of jobs or of a compute environment.

    :param region: For example ``ap-guangzhou``.
    :param name: The name of the jobs, or of the environment.
    :param kind: ``jobs`` or ``envs``.
    :param kwargs: What :class:`airflow.sdk.Asset` takes besides.
    """
    return Asset(uri=f"{SCHEME}://{region}/{kind}/{quote(name, safe='')}", **kwargs)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check an asset's URI, and bring it into its one form.

    :raises ValueError: Saying what such a URI looks like.
    """
    _, _, path = uri.path.partition("/")
    kind, _, name = path.partition("/")
    if not uri.netloc or kind not in ("jobs", "envs") or not name.strip("/") or "/" in name.rstrip("/"):
        raise ValueError(f"{uri.geturl()} must be {SCHEME}://REGION/jobs/NAME or {SCHEME}://REGION/envs/NAME")
    return uri._replace(
        netloc=uri.netloc.lower(),
        path=f"/{kind}/{quote(unquote(name.rstrip('/')), safe='')}",
        query="",
        fragment="",
    )
