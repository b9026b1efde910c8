# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tencent_batch_emulator.admin.request_log import Call, RequestLog


def call(action: str, code: str = "OK", service: str = "batch") -> Call:
    return Call(0.0, service, action, "", code, 0.01, "AKIDx", "r", "test")


def test_all_calls_are_counted_though_few_are_kept() -> None:
    log = RequestLog(kept=3)
    for number in range(10):
        log.add(call(f"Action{number % 2}"))

    assert (len(log), log.count(), log.count("Action1")) == (3, 10, 5)
    assert [one.action for one in log] == ["Action1", "Action0", "Action1"]


def test_counts_can_be_narrowed_by_service_and_code() -> None:
    log = RequestLog()
    log.add(call("SendCmqMsg", service="tdmq"))
    log.add(call("DescribeJobs"))
    log.add(call("DescribeJobs", "InternalError"))

    assert log.count(service="batch") == 2
    assert log.count(code="OK") == 2
    assert log.count("DescribeJobs", code="InternalError") == 1
    assert log.count("DescribeJobs", service="tdmq") == 0
    assert log.counters[0]["count"] == 1


def test_the_last_calls_come_newest_first_and_filtered() -> None:
    log = RequestLog()
    for action in ("A", "B", "A", "C"):
        log.add(call(action))

    assert [one.action for one in log.last(2)] == ["C", "A"]
    assert len(log.last(action="A")) == 2
    assert log.last(service="cmq") == []


def test_a_cleared_log_starts_anew() -> None:
    log = RequestLog()
    log.add(call("A"))
    log.clear()

    assert (log.count(), len(log), log.counters) == (0, 0, [])
