# SPDX-License-Identifier: Apache-2.0
"""A remembered id is worth something only where, and as whom, it was made."""

from __future__ import annotations

import pytest

from airflow_batch_events.exceptions import IdentityUnknownError
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.submission.identity import Identity, has_sts, normal_endpoint

HERE = Identity("ap-guangzhou", "", "AKIDfirst000secret", "1250000001")


def access(**settings):
    return CloudAccess(**{"secret_id": "AKIDa", "secret_key": "b", "region": "ap-guangzhou", **settings})


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Identity("ap-shanghai", "", HERE.key_id, HERE.account), "the region was 'ap-guangzhou' and is 'ap-shanghai'"),
        (Identity(HERE.region, "http://10.0.0.1", HERE.key_id, HERE.account), "was the public one and is 'http://10"),
        (Identity(HERE.region, "", "AKIDsecond", "1250000002"), "the account was '1250000001' and is '1250000002'"),
        (Identity(HERE.region, "", "AKIDsecond", "qcs::cam::uin/1:roleName/r"), "is 'qcs::cam::uin/1:roleName/r'"),
    ],
    ids=["region", "endpoint", "account", "role"],
)
def test_another_identity_is_named_with_what_it_was(now, words):
    (difference,) = HERE.differences(now)
    assert words in difference


def test_an_earlier_endpoint_is_named():
    (difference,) = Identity("r", "http://10.0.0.1", "AKID").differences(Identity("r", "", "AKID"))
    assert difference == "the Batch API's endpoint was 'http://10.0.0.1' and is the public one"


def test_all_differences_are_named():
    assert len(HERE.differences(Identity("ap-shanghai", "http://10.0.0.1", "AKIDsecond", "1250000002"))) == 3


def test_another_key_of_the_same_account_is_the_same_identity():
    assert HERE.differences(Identity(HERE.region, "", "AKIDsecond", HERE.account)) == []


@pytest.mark.parametrize("known", [("", ""), ("1250000001", ""), ("", "1250000001")])
def test_another_key_of_an_unknown_account_is_undecided(known):
    earlier, now = Identity("r", "", "AKIDfirst", known[0]), Identity("r", "", "AKIDnext", known[1])
    with pytest.raises(IdentityUnknownError, match="Nothing was submitted: run the task again when STS answers"):
        earlier.differences(now)


def test_the_same_key_needs_no_account():
    unknown = Identity("r", "", "AKIDfirst")
    assert unknown.differences(Identity("r", "", "AKIDfirst")) == []
    assert unknown.differences(Identity("r", "", "AKIDfirst", "1250000001")) == []


def test_another_place_needs_no_account():
    assert Identity("r", "", "AKIDfirst").differences(Identity("s", "", "AKIDsecond"))


def test_no_message_shows_a_whole_key_id():
    other = Identity("ap-shanghai", "", "AKIDother000secret")
    with pytest.raises(IdentityUnknownError) as caught:
        HERE.differences(Identity(HERE.region, "", other.key_id))
    for text in (str(caught.value), *HERE.differences(other)):
        assert HERE.key_id not in text
        assert other.key_id not in text


@pytest.mark.parametrize(
    ("endpoint", "normal"),
    [
        (None, ""),
        ("https://batch.tencentcloudapi.com", ""),
        ("http://BATCH.tencentcloudapi.com:443/", ""),
        ("https://batch.ap-guangzhou.tencentcloudapi.com", ""),
        ("https://batch.intl.tencentcloudapi.com", "https://batch.intl.tencentcloudapi.com"),
        ("http://127.0.0.1:8700", "http://127.0.0.1:8700"),
        ("http://127.0.0.1:8700/", "http://127.0.0.1:8700"),
        ("http://Emulator.Example:80", "http://emulator.example"),
        ("http://emulator.example.:80", "http://emulator.example"),
        ("http://x.example", "http://x.example"),
        ("https://emulator.example:443", "https://emulator.example"),
        ("https://emulator.example:80", "https://emulator.example:80"),
        ("http://[::1]:8700", "http://[::1]:8700"),
        ("https://batch.tencentcloudapi.com.evil.example", "https://batch.tencentcloudapi.com.evil.example"),
    ],
)
def test_one_address_is_one_place_however_it_is_spelled(endpoint, normal):
    assert normal_endpoint(endpoint) == normal


@pytest.mark.parametrize(
    ("settings", "is_known"),
    [
        ({}, True),
        ({"batch_endpoint": "https://batch.ap-guangzhou.tencentcloudapi.com"}, True),
        ({"batch_endpoint": "https://batch.intl.tencentcloudapi.com"}, True),
        ({"batch_endpoint": "http://127.0.0.1:8700"}, False),
        ({"batch_endpoint": "http://127.0.0.1:8700", "sts_endpoint": "http://127.0.0.1:8700"}, True),
    ],
)
def test_no_key_of_an_emulator_is_shown_to_the_public_sts(settings, is_known):
    assert has_sts(access(**settings)) == is_known


def test_a_role_is_known_without_asking():
    arn = "qcs::cam::uin/1250000001:roleName/airflow"
    assert Identity.of(access(role_arn=arn)).account == arn
    assert Identity.of(access()).account == ""


def test_an_identity_is_that_of_the_connection():
    private = access(batch_endpoint="http://127.0.0.1:8700/")
    assert Identity.of(private) == Identity("ap-guangzhou", "http://127.0.0.1:8700", "AKIDa")


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (Identity(HERE.region, "", "AKIDsecond", "1250000002"), True),
        (Identity("ap-shanghai", "", HERE.key_id, HERE.account), False),
        (Identity(HERE.region, "http://10.0.0.1", HERE.key_id, HERE.account), False),
    ],
    ids=["another user", "another region", "another endpoint"],
)
def test_a_place_is_one_api_in_one_region(other, is_same):
    assert HERE.is_same_place(other) is is_same
