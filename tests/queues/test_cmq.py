# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger

from airflow_batch_events.triggers.cmq import CmqMessageTrigger


def test_airflows_own_trigger_finds_the_scheme():
    trigger = MessageQueueTrigger(scheme="tencent+cmq", queue_name="plain", tencentcloud_conn_id="c", region="ap-tokyo")
    assert trigger.serialize() == CmqMessageTrigger("plain", "c", "ap-tokyo").serialize()


def test_only_the_queue_has_to_be_named():
    trigger = MessageQueueTrigger(scheme="tencent+cmq", queue_name="plain")
    assert trigger.serialize() == CmqMessageTrigger("plain").serialize()


def test_a_parameter_that_does_not_exist_is_named():
    with pytest.raises(TypeError, match="topic_name"):
        MessageQueueTrigger(scheme="tencent+cmq", queue_name="plain", topic_name="t").serialize()
