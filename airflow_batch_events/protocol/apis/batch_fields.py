# SPDX-License-Identifier: Apache-2.0
"""
The types of the fields of Job, Placement and NamedComputeEnv, and values brought to them.

A rendered template is text where a number belongs, or a number where text belongs, and the API refuses both. No name
means two things within these objects, so one table by name is enough. Fields that are not in it go out untouched.

Source: API page 599/15907 and 599/15891, and the vendor's SDK, against which a test holds this table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from airflow_batch_events.events.values import is_list, items_of, kind_of, unfold
from airflow_batch_events.exceptions import ParameterError


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


TEXTS = _names(
    """
    ActionIfComputeNodeInactive AntiDDoSPackageId BandwidthPackageId CdcId Command DedicatedResourcePackTenancy
    DeliveryForm DestinationPath DiskId DiskName DiskType DockerRunOption EndTask EnvDescription EnvId EnvName EnvType
    EventName FailedAction FileSystemType HostId IPv4AddressType IPv6AddressType Image ImageId InstanceChargeType
    InstanceName InstanceType InternetChargeType InternetServiceProvider JobDescription JobName KeepImageLogin Key
    KmsKeyId LocalPath MarketType MaxPrice MountOptionParameter MountType Name NotificationTarget PackagePath Password
    RackId Scene SecretId SecretKey Server Session SnapshotId SourcePath SpotInstanceType StartTask
    StateIfCreateCvmFailed StderrLocalFileName StderrLocalPath StderrRedirectFileName StderrRedirectPath
    StdoutLocalFileName StdoutLocalPath StdoutRedirectFileName StdoutRedirectPath SubnetId TaskExecutionDependOn
    TaskName TopicName User Value VpcId Workspace Zone
    """
)
TEXT_LISTS = _names(
    """
    DedicatedResourcePackIds HostIds InstanceCategories InstanceTypes KeyIds PrivateIpAddresses SecurityGroupIds Zones
    """
)
NUMBERS = _names(
    """
    CPU DelayOnRetry DesiredComputeNodeCount DiskSize InternetMaxBandwidthOut Ipv6AddressCount MaxConcurrentNum
    MaxRetryCount Memory Priority ProjectId ResourceMaxRetryCount TaskInstanceNum ThroughputPerformance Timeout
    WorkerNum WorkerPartSize
    """
)
FLAGS = _names(
    """
    AsVpcGateway BurstPerformance DeleteWithInstance Enabled Encrypt PublicIpAssigned RestartComputeNode
    """
)
OBJECTS = _names(
    """
    AgentRunningMode Application AutomationService ComputeEnv Docker EnhancedService EnvData InstanceMarketOptions
    InstanceTypeOptions InternetAccessible LoginSettings MonitorService OutputMappingOption RedirectInfo
    RedirectLocalInfo SecurityService SpotOptions SystemDisk VirtualPrivateCloud
    """
)
OBJECT_LISTS = _names(
    """
    Authentications Commands DataDisks Dependences EnvVars EventConfigs EventVars InputMappings MountDataDisks
    Notifications OutputMappingConfigs OutputMappings Tags Tasks VirtualPrivateClouds
    """
)

_FLAG_TEXTS = {"true": True, "false": False}


def with_types(path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return an object of the API with every known field in the type that the API gives it.

    :param path: Where the object is, for messages: ``job``.
    :param fields: The object. Null fields stay as they are.
    :raises ParameterError: Naming the field, its type and what it takes. The value is not shown: it may be a secret.
    """
    return {name: _typed(f"{path}.{name}", name, value) for name, value in fields.items()}


def _typed(path: str, name: str, value: object) -> object:
    if value is None:
        return None
    if name in TEXTS:
        return _text(path, value)
    if name in NUMBERS:
        return _number(path, value)
    if name in FLAGS:
        return _flag(path, value)
    if name in OBJECTS:
        return _object(path, value)
    if name in TEXT_LISTS:
        return [_text(f"{path}[{index}]", item) for index, item in enumerate(_list(value))]
    if name in OBJECT_LISTS:
        return [_object(f"{path}[{index}]", item) for index, item in enumerate(_list(value))]
    return value


def _text(path: str, value: object) -> str:
    # As Jinja would have written it; an exponent may have been digits and a letter e before it became a number.
    if isinstance(value, float) and (not math.isfinite(value) or "e" in repr(value)):
        raise _refused(path, value, "text, and a number of this size may have been another text: quote it")
    if isinstance(value, str | int | float):
        return str(value)
    raise _refused(path, value, "text")


def _number(path: str, value: object) -> int:
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            raise _refused(path, value, "a whole number") from None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _refused(path, value, "a whole number")


def _flag(path: str, value: object) -> bool:
    if isinstance(value, str):
        value = _FLAG_TEXTS.get(value.strip().lower(), value)
    if isinstance(value, bool):
        return value
    raise _refused(path, value, "true or false")


def _object(path: str, value: object) -> dict[str, Any]:
    value = unfold(value)
    if not isinstance(value, Mapping):
        raise _refused(path, value, "an object")
    return with_types(path, value)


def _list(value: object) -> list[Any]:
    value = unfold(value)
    return items_of(value) if is_list(value) else [value]


def _refused(path: str, value: object, taken: str) -> ParameterError:
    return ParameterError(f"{path} is {kind_of(value)}, must be {taken}")
