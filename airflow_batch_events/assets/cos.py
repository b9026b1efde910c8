# SPDX-License-Identifier: Apache-2.0
"""
Assets in COS: ``cos://BUCKET-APPID.cos.REGION.myqcloud.com/PATH``, as a job's mappings spell it.

As an inlet or an outlet such an asset is the same data to OpenLineage as a job's mapping of that path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batch_events.lineage.datasets import data_at

if TYPE_CHECKING:
    from airflow.sdk import Asset
    from openlineage.client.event_v2 import Dataset


def convert_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset | None:
    """
    Return the dataset that an asset is in OpenLineage; None when it is no path in storage.

    :param asset: The asset.
    :param lineage_context: What has used it.
    """
    from openlineage.client.event_v2 import Dataset

    name = data_at(asset.uri)
    return None if name is None else Dataset(namespace=name.namespace, name=name.name)
