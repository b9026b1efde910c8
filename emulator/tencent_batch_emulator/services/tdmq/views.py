# SPDX-License-Identifier: Apache-2.0
"""
What the control plane shows of a queue, a topic and a subscription.

Every documented field is there; null where the published samples have null, since clients meet that in production.
Times of creation and change of queues and topics are milliseconds, all others seconds.
"""

from __future__ import annotations

from typing import Any

from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.queues.queue import Queue
from tencent_batch_emulator.services.cmq.topic import Subscription, Topic

View = dict[str, Any]

_NORMAL = 1
_PULSAR = 0


def queue_view(broker: Broker, queue: Queue, *, in_list: bool = False) -> View:
    """
    Return a queue as ``CmqQueue``.

    :param in_list: The list call leaves the number of delayed messages out.
    """
    attributes = queue.attributes
    policy = queue.dead_letter_policy
    earliest = queue.earliest
    return {
        "QueueId": queue.queue_id,
        "QueueName": queue.name,
        "Qps": broker.limits.calls_per_second,
        "Bps": 52_428_800,
        "MaxDelaySeconds": broker.limits.delay,
        "MaxMsgHeapNum": attributes.max_msg_heap_num,
        "PollingWaitSeconds": attributes.polling_wait_seconds,
        "MsgRetentionSeconds": attributes.msg_retention_seconds,
        "VisibilityTimeout": attributes.visibility_timeout,
        "MaxMsgSize": attributes.max_msg_size,
        "RewindSeconds": attributes.rewind_seconds,
        "RetentionSizeInMB": attributes.retention_size_in_mb,
        "CreateTime": _milliseconds(queue.created),
        "LastModifyTime": _milliseconds(queue.modified),
        "ActiveMsgNum": queue.active_count,
        "InactiveMsgNum": queue.inactive_count,
        "DelayMsgNum": None if in_list else queue.delayed_count,
        "RewindMsgNum": queue.rewindable_count if attributes.rewind_seconds else None,
        "MinMsgTime": None if earliest is None else int(earliest),
        "Transaction": True if attributes.transaction else None,
        "TransactionPolicy": {
            "FirstQueryInterval": attributes.first_query_interval,
            "MaxQueryCount": attributes.max_query_count,
        }
        if attributes.transaction
        else None,
        "DeadLetterSource": [source_view(source) for source in broker.dead_letter_sources(queue)] or None,
        "DeadLetterPolicy": {
            "DeadLetterQueue": policy.queue_name,
            "Policy": policy.policy,
            "MaxReceiveCount": policy.max_receive_count,
            "MaxTimeToLive": policy.max_time_to_live,
        }
        if policy is not None
        else None,
        "CreateUin": broker.account,
        "Tags": queue.tags or None,
        "Trace": attributes.trace,
        "TenantId": _tenant(broker),
        "NamespaceName": f"CMQ_QUEUE-{queue.name}",
        "Status": _NORMAL,
        "MaxUnackedMsgNum": broker.limits.unacked,
        "MaxMsgBacklogSize": broker.limits.backlog_bytes,
    }


def source_view(queue: Queue) -> View:
    """Return a queue as ``CmqDeadLetterSource``."""
    return {"QueueId": queue.queue_id, "QueueName": queue.name}


def topic_view(broker: Broker, topic: Topic) -> View:
    """Return a topic as ``CmqTopic``."""
    return {
        "TopicId": topic.topic_id,
        "TopicName": topic.name,
        "MsgRetentionSeconds": topic.msg_retention_seconds,
        "MaxMsgSize": topic.max_msg_size,
        "Qps": broker.limits.calls_per_second,
        "FilterType": topic.filter_type,
        "CreateTime": _milliseconds(topic.created),
        "LastModifyTime": _milliseconds(topic.modified),
        "MsgCount": sum(broker.waiting(subscription) for subscription in topic.subscriptions.values()),
        "CreateUin": broker.account,
        "Tags": topic.tags or None,
        "Trace": topic.trace,
        "TenantId": _tenant(broker),
        "NamespaceName": f"CMQ_TOPIC-{topic.name}",
        "Status": _NORMAL,
        "BrokerType": _PULSAR,
        "SubscriptionCount": len(topic.subscriptions),
    }


def subscription_view(broker: Broker, subscription: Subscription) -> View:
    """Return a subscription as ``CmqSubscription``; its times are in seconds in the published samples."""
    return {
        "SubscriptionName": subscription.name,
        "SubscriptionId": subscription.subscription_id,
        "TopicOwner": broker.account,
        "MsgCount": broker.waiting(subscription),
        "LastModifyTime": int(subscription.modified),
        "CreateTime": int(subscription.created),
        "BindingKey": list(subscription.binding_keys) or None,
        "Endpoint": subscription.endpoint,
        "FilterTags": list(subscription.filter_tags),
        "Protocol": subscription.protocol,
        "NotifyStrategy": subscription.notify_strategy,
        "NotifyContentFormat": subscription.notify_content_format,
        "TopicName": subscription.topic.name,
    }


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _tenant(broker: Broker) -> str:
    return f"cmq-{broker.account}"
