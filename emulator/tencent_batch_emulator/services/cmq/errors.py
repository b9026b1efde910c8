# SPDX-License-Identifier: Apache-2.0
"""
The queue service's error codes, one maker for each cause.

Both planes raise from here, so that a rule has one error wherever it is met; TDMQ translates the outer code into its
own. Texts are the cloud's, its spelling included: clients match on the numbers.

Sources:

- https://cloud.tencent.com/document/product/1496/70948
"""

from __future__ import annotations


class CmqFault(Exception):
    """
    An answer with a code other than 0.

    :param code: The outer code.
    :param module: The number in parentheses at the head of the text.
    :param text: What went wrong.
    """

    def __init__(self, code: int, module: int, text: str) -> None:
        super().__init__(code, module, text)
        self.code = code
        self.module = module
        self.text = text

    @property
    def message(self) -> str:
        """The text as it goes over the wire."""
        return f"({self.module}){self.text}"

    def __str__(self) -> str:
        return f"{self.code} {self.message}"


def action_missing(name: str) -> CmqFault:
    return CmqFault(4000, 10430, f"action name {name} is not existed")


def parameter_missing(name: str) -> CmqFault:
    return CmqFault(4000, 10390, f"lacked of required parameter {name}")


def out_of_range(name: str, text: str) -> CmqFault:
    return CmqFault(4000, 10350, f"{name} is out of range: {text}")


def wrong_type(name: str, text: str) -> CmqFault:
    return CmqFault(4000, 10360, f"{name} has a wrong type: {text}")


def dead_letters_refused(text: str) -> CmqFault:
    return CmqFault(4000, 10110, text)


def queue_name_wrong(text: str) -> CmqFault:
    return CmqFault(4000, 10020, f"queue name format error: {text}")


def topic_name_wrong(kind: str, text: str) -> CmqFault:
    return CmqFault(4000, 10590, f"{kind} name format error: {text}")


def body_empty() -> CmqFault:
    return CmqFault(4000, 10120, "message body can't be empty")


def batch_too_long(name: str) -> CmqFault:
    return CmqFault(4000, 10370, f"{name} parameter batch size is out of range")


def batch_has_gap(name: str) -> CmqFault:
    return CmqFault(4000, 10380, f"{name} parameter is not consequent")


def too_many_filter_tags() -> CmqFault:
    return CmqFault(4000, 10490, "number of filterTag exceed limit")


def endpoint_wrong(text: str) -> CmqFault:
    return CmqFault(4000, 10500, f"endpoint format error: {text}")


def endpoint_blank() -> CmqFault:
    return CmqFault(4510, 10570, "url cannot contain any blank characters")


def protocol_unknown(protocol: str) -> CmqFault:
    return CmqFault(4000, 10510, f"undefined protocol {protocol!r}: use queue or http")


def strategy_unknown(strategy: str) -> CmqFault:
    return CmqFault(4000, 10520, f"undefined notify retry strategy {strategy!r}")


def content_format_unknown(content_format: str) -> CmqFault:
    return CmqFault(4000, 10530, f"undefined notify content format {content_format!r}: use SIMPLIFIED or JSON")


def topic_has_subscriptions(name: str) -> CmqFault:
    return CmqFault(4000, 10540, f"subscriptions exist under this topic {name}, delete them first")


def queue_takes_simplified_only() -> CmqFault:
    return CmqFault(4000, 10640, "notifyContentFormat of protocol queue must be SIMPLIFIED")


def too_many_binding_keys() -> CmqFault:
    return CmqFault(4000, 10680, "too many bindingKey")


def too_many_delimiters(key: str) -> CmqFault:
    return CmqFault(4000, 10691, f"too many delimiters in {key!r}")


def delay_out_of_range(text: str) -> CmqFault:
    return CmqFault(4000, 10692, f"delay seconds is out of range: {text}")


def routing_key_missing() -> CmqFault:
    return CmqFault(4000, 10700, "lacks routingKey")


def binding_key_missing() -> CmqFault:
    return CmqFault(4000, 10710, "lacks bindingKey")


def too_many_message_tags() -> CmqFault:
    return CmqFault(4000, 10720, "too many msgTag")


def message_too_large() -> CmqFault:
    return CmqFault(4400, 10230, "exceed maximum message size")


def queue_full() -> CmqFault:
    return CmqFault(4410, 10240, "reach maximum retention number of message")


def throttled() -> CmqFault:
    return CmqFault(4420, 10250, "qps throttling")


def handle_invalid() -> CmqFault:
    return CmqFault(4430, 10260, "receipt handle is invalid")


def queue_missing() -> CmqFault:
    return CmqFault(4440, 10100, "queue is not existed, or deleted")


def topic_missing() -> CmqFault:
    return CmqFault(4440, 10600, "topic is not existed, or deleted")


def subscription_missing(name: str) -> CmqFault:
    return CmqFault(4440, 10620, f"subscription {name} is not existed, or deleted")


def too_many_queues() -> CmqFault:
    return CmqFault(4450, 10220, "number of queues has reached the limit")


def too_many_topics() -> CmqFault:
    return CmqFault(4450, 10610, "number of topics has reached the limit")


def queue_exists(name: str) -> CmqFault:
    return CmqFault(4460, 10210, f"queue {name} is already existed, case insensitive")


def topic_exists(name: str) -> CmqFault:
    return CmqFault(4460, 10580, f"topic {name} is already existed, case insensitive")


def batch_too_large() -> CmqFault:
    return CmqFault(4470, 10300, "total message size exceed 1MB")


def subscription_exists(name: str) -> CmqFault:
    return CmqFault(4490, 10470, f"subscription {name} is already existed")


def too_many_subscriptions() -> CmqFault:
    return CmqFault(4500, 10480, "number of subscriptions has reached the limit")


def server_error() -> CmqFault:
    return CmqFault(6000, 10050, "server internal error")


def topic_without_subscription() -> CmqFault:
    return CmqFault(6030, 10650, "topic has no subscription, create one before publishing")


def nobody_matches() -> CmqFault:
    return CmqFault(6030, 10730, "no bindingKey or filterTag matches the routingKey or msgTag")


def being_released(name: str) -> CmqFault:
    return CmqFault(6040, 10660, f"resources of the previous {name} are being released, try again later")


def not_rewindable() -> CmqFault:
    return CmqFault(6050, 10670, "your queue cannot be rewinded")


def too_many_unacked() -> CmqFault:
    return CmqFault(6070, 10690, "too many unacked or delayed messages")


def no_message() -> CmqFault:
    return CmqFault(7000, 10200, "no message")


def deletes_failed(*, all_of_them: bool) -> CmqFault:
    if all_of_them:
        return CmqFault(6020, 10290, "batch delete message failed")
    return CmqFault(6010, 10150, "delete message partially failed")
