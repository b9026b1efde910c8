# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from helpers.batch_cloud import Cloud


async def test_instance_types_are_offered_in_the_zones_of_the_region(cloud: Cloud) -> None:
    only = [{"Name": "zone", "Values": ["ap-guangzhou-6"]}, {"Name": "instance-family", "Values": ["S5"]}]
    found = (await cloud.call("DescribeAvailableCvmInstanceTypes", Filters=only))["InstanceTypeConfigSet"]
    assert {(one["Zone"], one["InstanceFamily"]) for one in found} == {("ap-guangzhou-6", "S5")}
    assert {"InstanceType": "S5.MEDIUM4", "Cpu": 2, "Mem": 4}.items() <= found[2].items()


async def test_prices_can_be_asked_for_by_charge_type(cloud: Cloud) -> None:
    only = [
        {"Name": "instance-type", "Values": ["S5.LARGE8"]},
        {"Name": "instance-charge-type", "Values": ["SPOTPAID"]},
    ]
    found = (await cloud.call("DescribeCvmZoneInstanceConfigInfos", Filters=only))["InstanceTypeQuotaSet"]
    assert len(found) == 9
    assert {(one["Status"], one["Cpu"], one["Memory"]) for one in found} == {("SELL", 4, 8)}


async def test_every_family_of_a_category_is_sold(cloud: Cloud) -> None:
    categories = (await cloud.call("DescribeInstanceCategories"))["InstanceCategorySet"]
    sold = (await cloud.call("DescribeAvailableCvmInstanceTypes"))["InstanceTypeConfigSet"]
    families = {family for one in categories for family in one["InstanceFamilySet"]}
    assert families == {one["InstanceFamily"] for one in sold}


async def test_an_unknown_filter_or_zone_is_refused(cloud: Cloud) -> None:
    for name, value, code in (
        ("color", "red", "InvalidFilter"),
        ("zone", "moon", "InvalidZone.MismatchRegion"),
    ):
        only = [{"Name": name, "Values": [value]}]
        assert await cloud.error("DescribeAvailableCvmInstanceTypes", Filters=only) == code
