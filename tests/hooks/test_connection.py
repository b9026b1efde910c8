# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import traceback

import pytest
from airflow.sdk import BaseHook, Connection
from support.airflow_names import redact

from airflow_batch_events.airflow_compat import connections
from airflow_batch_events.exceptions import ConfigurationError, CredentialsError, TransportError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.connection import (
    access_from_connection,
    account_from_connection,
    aget_access,
    get_access,
)
from airflow_batch_events.protocol.credentials.access import ENDPOINT_FIELDS

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
def test_a_missing_field_is_named_with_the_connection(connection, error, words):
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


def test_a_connection_says_where_links_lead():
    assert access_from_connection(make(region="r")).console_url is None
    assert access_from_connection(make(region="r", console_url="")).console_url is None
    access = access_from_connection(make(region="r", console_url="http://127.0.0.1:8700/console/"))
    assert access.console_url == "http://127.0.0.1:8700/console"


def test_a_malformed_console_url_is_named_and_not_quoted():
    with pytest.raises(ConfigurationError, match="connection 'c': console_url must be http:// or https://") as caught:
        account_from_connection(make(region="r", console_url="https://me:S3CRET@host/console"))
    assert "S3CRET" not in str(caught.value)


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


def test_a_missing_connection_says_how_to_create_it():
    for read in (lambda: get_access("nowhere"), lambda: asyncio.run(aget_access("nowhere"))):
        with pytest.raises(ConfigurationError, match="connection 'nowhere' does not exist: create it with type"):
            read()


GOOD = {"region": "ap-guangzhou"}
TEXT_FIELDS = (
    "region",
    "token",
    "proxy",
    *ENDPOINT_FIELDS,
    "console_url",
    "role_arn",
    "role_session_name",
    "role_external_id",
)


@pytest.mark.parametrize("value", [7, 1.5, True, False, ["S3CRET"], {"S3CRET": 1}], ids=repr)
@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_a_field_of_a_wrong_type_is_named_with_the_connection(field, value):
    extra = {**GOOD, "role_arn": "qcs::x", field: value}
    with pytest.raises(
        ConfigurationError, match=rf"connection 'c': {field} is of type {type(value).__name__}"
    ) as caught:
        access_from_connection(make(**extra))
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("field", [*TEXT_FIELDS, "verify", "role_duration_seconds"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_field_that_the_form_left_empty_is_not_given(field, value):
    if field != "region":
        account_from_connection(make(**{**GOOD, "role_arn": "qcs::x", field: value}))


@pytest.mark.parametrize("value", [True, False, ["900"], {}, "900.5", 900.5, -1, 0, "9" * 400, "\u0669"])
def test_a_role_s_duration_is_whole_seconds(value):
    with pytest.raises(ConfigurationError, match="connection 'c': role_duration_seconds is "):
        account_from_connection(make(**GOOD, role_arn="qcs::x", role_duration_seconds=value))


@pytest.mark.parametrize("value", [1, 0, ["true"], "yes", "/etc/ssl"])
def test_whether_certificates_are_checked_is_true_or_false(value):
    with pytest.raises(ConfigurationError, match="connection 'c': verify must be true or false"):
        account_from_connection(make(**GOOD, verify=value))


@pytest.mark.parametrize(("login", "password"), [(7, SECRET), ("AKIDx", ["S3CRET"]), (True, True), ({"a": 1}, SECRET)])
def test_a_key_of_a_wrong_type_is_named_by_its_field(login, password):
    with pytest.raises(CredentialsError, match=r"connection 'c': (login|password) \(Secret(Id|Key)\) is of type"):
        account_from_connection(make(login=login, password=password, **GOOD))


def with_extra(extra):
    return Connection(conn_id="c", conn_type="tencentcloud", login="AKIDx", password=SECRET, extra=extra)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("[1, 2]", "extra is of type list"),
        ("7", "extra is of type int"),
        ("true", "extra is of type bool"),
        ("S3CRET", "extra is no JSON"),
        ('{"region": "S3CRET"', "extra is no JSON"),
        ("[" * 100_000, "extra is no JSON"),
        (json.dumps(json.dumps(json.dumps(GOOD))), "extra is of type str"),
        (json.dumps("S3CRET"), "extra is no JSON"),
        ("null", "has no region"),
        (" ", "has no region"),
        ("", "has no region"),
        (None, "has no region"),
    ],
)
def test_an_extra_that_is_no_object_is_named(extra, words):
    with pytest.raises(ConfigurationError, match=f"connection 'c':? {words}") as caught:
        account_from_connection(with_extra(extra))
    assert "S3CRET" not in str(caught.value)


def test_an_extra_that_was_encoded_twice_is_taken():
    assert account_from_connection(with_extra(json.dumps(json.dumps(GOOD)))).endpoints["region"] == "ap-guangzhou"


def test_what_is_not_known_is_ignored_whatever_it_is():
    assert (
        account_from_connection(make(**GOOD, host=7, secret_key=["x"], unknown={})).endpoints["region"]
        == "ap-guangzhou"
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"conn_type": "tencentcloud", "password": "S3CRET"',
        '{"conn_type": "tencentcloud", "passwort": "S3CRET"}',
        '{"conn_type": 7, "password": "S3CRET"}',
        "tencentcloud://AKIDx:S3CRET#x@host",
        "{}",
    ],
)
def test_an_unreadable_connection_is_named_and_not_quoted(monkeypatch, text):
    monkeypatch.setenv("AIRFLOW_CONN_ODD", text)
    for read in (lambda: get_access("odd"), lambda: asyncio.run(aget_access("odd"))):
        with pytest.raises(ConfigurationError, match="connection 'odd'") as caught:
            read()
        assert "S3CRET" not in "".join(traceback.format_exception(caught.value))


def test_the_connection_s_test_says_what_is_wrong(monkeypatch):
    text = json.dumps({"conn_type": "tencentcloud", "login": "AKIDx", "password": "S3CRET", "extra": {"region": 7}})
    monkeypatch.setenv("AIRFLOW_CONN_ODD", text)
    assert BatchHook("odd").test_connection() == (
        False,
        "connection 'odd': region is of type int but must be text",
    )


def test_every_secret_is_masked_before_anything_is_asked(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:Env%23Passw0rd@proxy:3128")
    connection = make(
        **GOOD,
        proxy="http://me:Giv%23Passw0rd@proxy:3128",
        role_arn="qcs::cam::uin/1:roleName/a",
        role_external_id="ExternalPassw0rd",
        sts_endpoint="http://127.0.0.1:9",
    )
    with pytest.raises(ConfigurationError):
        access_from_connection(connection, "no region")
    monkeypatch.setattr("airflow_batch_events.protocol.credentials.credential_source.CredentialSource.resolve", _away)
    with pytest.raises(TransportError):
        access_from_connection(connection)
    for secret in ("Env%23Passw0rd", "Env#Passw0rd", "Giv%23Passw0rd", "Giv#Passw0rd", "ExternalPassw0rd"):
        assert secret not in str(redact(f"before {secret} after"))


def _away(*_):
    raise TransportError("away")


class CountingHook(BaseHook):
    reads = 0

    @classmethod
    async def aget_connection(cls, conn_id):
        cls.reads += 1
        await asyncio.sleep(0)
        return make(region="r")


def test_a_thousand_triggers_read_their_connection_once(monkeypatch):
    monkeypatch.setattr(connections, "BaseHook", CountingHook)

    async def scenario():
        accesses = await asyncio.gather(*(aget_access("c") for _ in range(1000)))
        assert len(set(accesses)) == 1

    asyncio.run(scenario())
    assert CountingHook.reads == 1
