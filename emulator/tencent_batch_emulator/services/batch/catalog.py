# SPDX-License-Identifier: Apache-2.0
"""
What the cloud sells, as far as the emulator knows it: a small table of instance types and zones.

The table only sizes nodes and answers the catalog actions. Types that are not in it are accepted everywhere, so that
job descriptions written for the cloud run unchanged.
"""

from __future__ import annotations

from typing import Any

from tencent_batch_emulator.services.batch.validation import check_zone
from tencent_batch_emulator.services.tc3_schema import Filter, Tc3Struct, matching

INSTANCE_TYPES: dict[str, tuple[int, int]] = {
    "S5.SMALL2": (1, 2),
    "S5.MEDIUM2": (2, 2),
    "S5.MEDIUM4": (2, 4),
    "S5.MEDIUM8": (2, 8),
    "S5.LARGE8": (4, 8),
    "S5.LARGE16": (4, 16),
    "S5.2XLARGE16": (8, 16),
    "S5.2XLARGE32": (8, 32),
    "S1.SMALL1": (1, 1),
    "S1.SMALL2": (1, 2),
    "S1.MEDIUM4": (2, 4),
    "SA2.MEDIUM4": (2, 4),
    "SA2.LARGE8": (4, 8),
    "C3.LARGE8": (4, 8),
    "C3.2XLARGE16": (8, 16),
    "M5.LARGE32": (4, 32),
}
"""Cores and GiB by instance type."""

CATEGORIES = {
    "GENERAL": ["S1"],
    "GENERAL_2": ["SA2"],
    "GENERAL_3": ["S5"],
    "COMPUTE_3": ["C3"],
    "MEMORY": ["M5"],
}

_DEFAULT_SIZE = (4, 8)


class FilteredRequest(Tc3Struct):
    filters: list[Filter] | None = None


class NoParameters(Tc3Struct):
    pass


def size_of(instance_type: str) -> tuple[int, int]:
    """Return cores and GiB of a node of that type."""
    return INSTANCE_TYPES.get(instance_type, _DEFAULT_SIZE)


class CatalogActions:
    """
    The actions about instance types.

    :param region: Its zones 1 to 9 are offered.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._offers = [
            (f"{region}-{zone}", name, cpu, mem) for zone in range(1, 10) for name, (cpu, mem) in INSTANCE_TYPES.items()
        ]

    def describe_instance_categories(self, request: NoParameters) -> dict[str, Any]:
        """Return the families of each category."""
        return {
            "InstanceCategorySet": [
                {"InstanceCategory": name, "InstanceFamilySet": families} for name, families in CATEGORIES.items()
            ]
        }

    def describe_available_cvm_instance_types(self, request: FilteredRequest) -> dict[str, Any]:
        """Return the instance types that Batch can create."""
        found = matching(
            self._offers, self._checked(request), {"zone": lambda one: [one[0]], "instance-family": _family}
        )
        return {
            "InstanceTypeConfigSet": [
                {"Mem": mem, "Cpu": cpu, "InstanceType": name, "Zone": zone, "InstanceFamily": name.split(".")[0]}
                for zone, name, cpu, mem in found
            ]
        }

    def describe_cvm_zone_instance_config_infos(self, request: FilteredRequest) -> dict[str, Any]:
        """Return what is sold where and how it is charged."""
        charged = [(*offer, charge) for offer in self._offers for charge in ("POSTPAID_BY_HOUR", "SPOTPAID")]
        found = matching(
            charged,
            self._checked(request),
            {
                "zone": lambda one: [one[0]],
                "instance-family": _family,
                "instance-type": lambda one: [one[1]],
                "instance-charge-type": lambda one: [one[4]],
            },
        )
        return {
            "InstanceTypeQuotaSet": [
                {
                    "Zone": zone,
                    "InstanceType": name,
                    "InstanceChargeType": charge,
                    "InstanceFamily": name.split(".")[0],
                    "Cpu": cpu,
                    "Memory": mem,
                    "Gpu": 0,
                    "Fpga": 0,
                    "Status": "SELL",
                }
                for zone, name, cpu, mem, charge in found
            ]
        }

    def _checked(self, request: FilteredRequest) -> list[Filter]:
        for one in request.filters or []:
            if one.name == "zone":
                for zone in one.values:
                    check_zone(zone, self._region)
        return request.filters or []


def _family(offer: tuple[Any, ...]) -> list[str]:
    return [offer[1].split(".")[0]]
