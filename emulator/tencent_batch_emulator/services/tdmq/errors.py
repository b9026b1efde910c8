# SPDX-License-Identifier: Apache-2.0
"""
The control plane's words for what the broker refuses.

A client matches by the part before the dot, so a code that is not documented for an action must still begin like one
that is.
"""

from __future__ import annotations

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq.errors import CmqFault

_BY_MODULE = {
    errors.queue_missing().module: "ResourceNotFound",
    errors.topic_missing().module: "ResourceNotFound.Topic",
    errors.subscription_missing("").module: "ResourceNotFound",
    errors.queue_exists("").module: "ResourceInUse.Queue",
    errors.topic_exists("").module: "ResourceInUse.Topic",
    errors.too_many_topics().module: "LimitExceeded.Topics",
    errors.too_many_queues().module: "LimitExceeded",
    errors.too_many_subscriptions().module: "LimitExceeded",
    errors.topic_has_subscriptions("").module: "FailedOperation",
    errors.being_released("").module: "ResourceUnavailable",
    errors.dead_letters_refused("").module: "FailedOperation",
}
_BY_CODE = {
    errors.subscription_exists("").code: "ResourceInUse.Subscription",
    errors.parameter_missing("").code: "InvalidParameterValue",
    errors.endpoint_blank().code: "InvalidParameterValue",
}


def api_error(fault: CmqFault) -> ApiError:
    """Return the control plane's error for a fault of the broker."""
    code = _BY_MODULE.get(fault.module) or _BY_CODE.get(fault.code) or "FailedOperation"
    return ApiError(code, f"{fault.text} ({fault.code}, {fault.module})")
