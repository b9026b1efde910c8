# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json

import pytest
from airflow.sdk import BaseHook, Connection

from airflow_batch_events.exceptions import ConfigurationError, CredentialsError
from airflow_batch_events.hooks import connection as module
from airflow_batch_events.hooks.connection import access_from_connection, aget_access, get_access

SECRET = "never-show-this"


def make(login="AKIDexample", password=SECRET, conn_type="tencentcloud", **extra):
    return Connection(conn_id="c", conn_type=conn_type, login=login, password=password, extra=json.dumps(extra))


def test_a_connection_becomes_keys_region_and_endpoints():
    access = access_from_connection(
        make(region="ap-beijing", token="t", cmq_endpoint="https://cmq.example", batch_endpoint="http://b:1/")
    )
    assert (access.secret_id, access.secret_key, access.token) == ("AKIDexample", SECRET, "t")
    assert (access.region, access.cmq_endpoint, access.batch_endpoint) == (
        "ap-beijing",
        "https://cmq.example",
        "http://b:1",
    )
    assert access.source == "connection 'c'"


def test_the_task_s_region_goes_before_the_connection_s():
    assert access_from_connection(make(region="ap-beijing"), "ap-tokyo").region == "ap-tokyo"


@pytest.mark.parametrize(
    ("connection", "error", "words"),
    [
        (make(login=None, region="r"), CredentialsError, r"connection 'c' has no login \(SecretId\)"),
        (make(password=None, region="r"), CredentialsError, r"connection 'c' has no password \(SecretKey\)"),
        (make(), ConfigurationError, "connection 'c' has no region"),
        (make(conn_type="aws", region="r"), ConfigurationError, "must be of type 'tencentcloud'"),
        (make(region="r", cmq_endpoint="cmq.example"), ConfigurationError, "cmq_endpoint"),
    ],
)
def test_what_is_missing_is_named_with_the_connection_and_the_field(connection, error, words):
    with pytest.raises(error, match=words) as caught:
        access_from_connection(connection)
    assert SECRET not in str(caught.value)


def test_only_named_keys_of_the_extra_are_read():
    access = access_from_connection(make(region="r", source="x", identity="root", renew_at=0, secret_key="y"))
    assert (access.source, access.identity, access.renew_at) == ("connection 'c'", "key AKIDexam...", None)
    assert access.secret_key == SECRET


def test_a_connection_says_how_to_get_there():
    access = access_from_connection(make(region="r", verify=False, proxy="http://proxy:3128"))
    assert (access.verify, access.proxy) == (False, "http://proxy:3128")
    assert access_from_connection(make(region="r", verify="true")).verify is True


def test_a_connection_chooses_no_file_but_the_deployment_does(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"verify must be true or false.*\[batch_events\] ca_bundle"):
        access_from_connection(make(region="r", verify="/etc/shadow"))
    monkeypatch.setenv("AIRFLOW__BATCH_EVENTS__CA_BUNDLE", "/etc/company.pem")
    assert access_from_connection(make(region="r")).verify == "/etc/company.pem"
    assert access_from_connection(make(region="r", verify=False)).verify is False


def test_a_connection_is_read_from_the_environment(monkeypatch):
    text = json.dumps({"conn_type": "tencentcloud", "login": "AKID1", "password": "p"})
    monkeypatch.setenv("AIRFLOW_CONN_MINE", text)
    assert get_access("mine", "ap-tokyo").secret_id == "AKID1"
    assert asyncio.run(aget_access("mine", "ap-tokyo")).secret_id == "AKID1"


def test_a_connection_that_does_not_exist_is_named_with_the_way_to_create_it():
    for read in (lambda: get_access("nowhere"), lambda: asyncio.run(aget_access("nowhere"))):
        with pytest.raises(ConfigurationError, match="connection 'nowhere' does not exist: create it with type"):
            read()


class CountingHook(BaseHook):
    reads = 0

    @classmethod
    async def aget_connection(cls, conn_id):
        cls.reads += 1
        await asyncio.sleep(0)
        return make(region="r")


def test_a_thousand_triggers_read_their_connection_once(monkeypatch):
    monkeypatch.setattr(module, "BaseHook", CountingHook)

    async def scenario():
        accesses = await asyncio.gather(*(aget_access("c") for _ in range(1000)))
        assert len(set(accesses)) == 1

    asyncio.run(scenario())
    assert CountingHook.reads == 1
