# SPDX-License-Identifier: Apache-2.0
"""
The rate limits that the documentation lists, for those who want to meet them before their account does.

Off by default. A limit counts by action, region and account. The vendor's Chinese and international pages disagree, so
both are here. What a queue or topic takes in a second is the broker's matter.

Sources:

- cn: https://cloud.tencent.com/document/product/599/30660
- intl: https://www.tencentcloud.com/document/product/599/30458
- test messages: https://www.tencentcloud.com/document/product/1111/63331
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.token_buckets import TokenBuckets

RateLimits = Literal["cn", "intl"]

_TDMQ_USUAL = 20
_TDMQ = {"DescribeCmqQueueDetail": 100, "SendCmqMsg": 10, "PublishCmqMsg": 10}

_STS = {"GetCallerIdentity": 20}

_BATCH_CN = {
    "SubmitJob": 20,
    "DescribeJob": 50,
    "DescribeJobs": 10,
    "DescribeTask": 20,
    "DescribeTaskLogs": 20,
    "DescribeJobSubmitInfo": 20,
    "DescribeJobMonitorData": 20,
    "TerminateJob": 10,
    "TerminateTaskInstance": 2,
    "RetryJobs": 10,
    "DeleteJob": 30,
    "DescribeInstanceCategories": 20,
    "DescribeAvailableCvmInstanceTypes": 2,
    "CreateComputeEnv": 2,
    "DescribeComputeEnv": 2,
    "DescribeComputeEnvs": 10,
    "DescribeComputeEnvActivities": 2,
    "DescribeComputeEnvCreateInfo": 2,
    "DescribeComputeEnvCreateInfos": 20,
    "ModifyComputeEnv": 2,
    "DeleteComputeEnv": 2,
    "TerminateComputeNode": 20,
    "TerminateComputeNodes": 20,
    "AttachInstances": 20,
    "DetachInstances": 20,
    "CreateTaskTemplate": 2,
    "ModifyTaskTemplate": 2,
    "DeleteTaskTemplates": 2,
    "DescribeTaskTemplates": 10,
    "DescribeCvmZoneInstanceConfigInfos": 5,
}
# Where the international page lists nothing, the Chinese figure stands.
_BATCH_INTL = {
    **_BATCH_CN,
    "SubmitJob": 7,
    "DescribeJob": 2,
    "DescribeJobs": 2,
    "DescribeTask": 3,
    "DescribeJobSubmitInfo": 2,
    "TerminateJob": 2,
    "DescribeComputeEnvs": 2,
    "DescribeTaskTemplates": 2,
}
_BATCH: Mapping[RateLimits, Mapping[str, int]] = {"cn": _BATCH_CN, "intl": _BATCH_INTL}


class RateLimiter:
    """
    Count requests against the documented limits: a bucket that refills evenly and holds one second's worth.

    :param limits: Which page's figures; None lets everything through.
    :param clock: The emulator's clock.
    """

    def __init__(self, limits: RateLimits | None, clock: Clock) -> None:
        if limits is not None and limits not in _BATCH:
            raise ValueError(f"there are no rate limits {limits!r}; there are {', '.join(_BATCH)}")
        self._limits = limits
        self._clock = clock
        self._buckets = TokenBuckets()

    def admits_call(self, service: str, action: str, region: str, account: int) -> bool:
        """Whether an API call is within its limit; counts it if so."""
        if self._limits is None:
            return True
        if service == "batch":
            rate = _BATCH[self._limits].get(action)
        elif service == "tdmq":
            rate = _TDMQ.get(action, _TDMQ_USUAL)
        else:
            rate = _STS.get(action) if service == "sts" else None
        return rate is None or self._buckets.take((service, action, region, account), rate, self._clock.time())
