# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.base import ApiError, Caller
from tencent_batch_emulator.services.keys import Key, KeyRing
from tencent_batch_emulator.services.sts.service import StsService

START = 1_700_000_000.75


class Sts:
    def __init__(self) -> None:
        self.clock = Clock(START, running=False)
        self.keys = KeyRing()
        self.key: Key = self.keys.create()
        self.role = f"qcs::cam::uin/{self.key.account}:roleName/airflow"
        self._service = StsService(self.keys, self.clock)

    async def assume(self, **params: Any) -> dict[str, Any]:
        sent = {"RoleArn": self.role, "RoleSessionName": "airflow", **params}
        caller = Caller(self.key.secret_id, self.key.account, "ap-guangzhou")
        return await self._service.actions["AssumeRole"](sent, caller)

    async def who_is(self, key: Key, **params: Any) -> dict[str, Any]:
        caller = Caller(key.secret_id, key.account, "ap-guangzhou")
        return await self._service.actions["GetCallerIdentity"](params, caller)


@pytest.fixture
def sts() -> Sts:
    return Sts()


async def test_a_role_gets_a_temporary_key_that_lasts_two_hours(sts: Sts) -> None:
    answer = await sts.assume()
    assert answer["ExpiredTime"] == int(START) + 7200
    assert answer["Expiration"] == "2023-11-15T00:13:20Z"
    given = answer["Credentials"]
    key = sts.keys.find(given["TmpSecretId"])
    assert key is not None
    assert (key.secret_key, key.token, key.account) == (given["TmpSecretKey"], given["Token"], sts.key.account)
    assert not key.is_expired(sts.clock.time())
    sts.clock.advance(7200)
    assert key.is_expired(sts.clock.time())


async def test_the_caller_says_how_long_the_key_lasts(sts: Sts) -> None:
    assert (await sts.assume(DurationSeconds=43200))["ExpiredTime"] == int(START) + 43200


async def test_a_role_of_another_account_gives_a_key_of_that_account(sts: Sts) -> None:
    other = sts.keys.create()
    answer = await sts.assume(RoleArn=f"qcs::cam::uin/{other.account}:role/tencentcloudServiceRoleName/batch")
    key = sts.keys.find(answer["Credentials"]["TmpSecretId"])
    assert key is not None
    assert key.account == other.account


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"RoleArn": "airflow"}, "InvalidParameter.ParamError"),
        ({"RoleArn": "qcs::cam::uin/1:user/airflow"}, "InvalidParameter.ParamError"),
        ({"RoleArn": "qcs::cam::uin/99:roleName/airflow"}, "ResourceNotFound.RoleNotFound"),
        ({"RoleArn": None}, "MissingParameter"),
        ({"RoleSessionName": "a"}, "InvalidParameter.ParamError"),
        ({"RoleSessionName": "with blank"}, "InvalidParameter.ParamError"),
        ({"RoleSessionName": None}, "MissingParameter"),
        ({"DurationSeconds": 43201}, "InvalidParameter.OverTimeError"),
        ({"DurationSeconds": 0}, "InvalidParameter.ParamError"),
        ({"ExternalId": "?"}, "InvalidParameter.ParamError"),
        ({"Policy": "{no json"}, "InvalidParameter.StrategyFormatError"),
        ({"Policy": "[]"}, "InvalidParameter.StrategyFormatError"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "InvalidParameter.ParamError"),
        ({"RoleName": "airflow"}, "UnknownParameter"),
    ],
)
async def test_what_is_wrong_with_a_request_has_the_documented_code(
    sts: Sts, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(ApiError) as caught:
        await sts.assume(**params)
    assert caught.value.code == code


async def test_what_else_a_session_may_have_is_accepted(sts: Sts) -> None:
    policy = "%7B%22version%22%3A%20%222.0%22%7D"
    await sts.assume(Policy=policy, ExternalId="team:blue", Tags=[{"Key": "a", "Value": "1"}], SourceIdentity="42")


async def test_a_caller_learns_whose_its_key_is(sts: Sts) -> None:
    account = str(sts.key.account)
    answer = await sts.who_is(sts.key)
    assert answer == {
        "Type": "CAMUser",
        "AccountId": account,
        "UserId": account,
        "PrincipalId": account,
        "Arn": f"qcs::cam:{account}:uin/{account}",
    }


async def test_a_role_s_key_belongs_to_the_account_of_the_role(sts: Sts) -> None:
    other = sts.keys.create()
    given = await sts.assume(RoleArn=f"qcs::cam::uin/{other.account}:roleName/batch", RoleSessionName="me")
    key = sts.keys.find(given["Credentials"]["TmpSecretId"])
    assert key is not None
    answer = await sts.who_is(key)
    assert (answer["Type"], answer["AccountId"], answer["UserId"]) == ("CAMRole", str(other.account), "batch:me")
    assert answer["PrincipalId"] == str(sts.key.account)


async def test_asking_who_one_is_takes_no_parameter(sts: Sts) -> None:
    with pytest.raises(ApiError, match="UnknownParameter"):
        await sts.who_is(sts.key, UserId="1")
