# SPDX-License-Identifier: Apache-2.0
"""The vendor's SDK behind our two clients; every test that says ``send`` runs with the blocking and the other one."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

import pytest
from protocol.scripted_cloud import SECRET_ID, SECRET_KEY, Dates, ScriptedCloud
from protocol.tc3 import assert_signed

from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiError,
    ApiInUseError,
    ApiNotFoundError,
    ApiParameterError,
    ApiQuotaError,
    ApiRefusedError,
    ApiServerError,
    ApiThrottledError,
    CallTimeoutError,
    CloudError,
    ConfigurationError,
    TransportError,
)
from airflow_batch_events.protocol import http_line
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.apis.request import Request
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.retry import NO_RETRY, RetryPolicy
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient, api_error

JOBS = {"Response": {"TotalCount": 1, "JobSet": [{"JobId": "job-1", "JobState": "RUNNING"}], "RequestId": "r-1"}}
SUBMITTED = {"Response": {"JobId": "job-1", "RequestId": "r-1"}}
POLL = batch.describe_jobs(["job-1"])
UNSAFE = batch.submit_job({"Tasks": []}, {"Zone": "z"})
SAFE = batch.submit_job({"Tasks": []}, {"Zone": "z"}, "token")


def failure(code: str, message: str = "why") -> dict[str, Any]:
    return {"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "r-2"}}


class Send(Protocol):
    """Send requests in order through one client and return the last result."""

    async def __call__(
        self,
        access: CloudAccess,
        *requests: Request[Any],
        retry: RetryPolicy = ...,
        timeout: float = ...,
        pauses: list[float] | None = None,
        clock: CloudClock | None = None,
    ) -> Any: ...


def noting(pauses: list[float] | None) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    return sleep


async def send_blocking(
    access: CloudAccess,
    *requests: Request[Any],
    retry: RetryPolicy = NO_RETRY,
    timeout: float = 10.0,
    pauses: list[float] | None = None,
    clock: CloudClock | None = None,
) -> Any:
    def send_all() -> Any:
        with SdkClient(access, retry=retry, timeout=timeout, clock=clock, sleep=noting(pauses)) as client:
            return [client.send(request) for request in requests][-1]

    return await asyncio.to_thread(send_all)


async def send_async(
    access: CloudAccess,
    *requests: Request[Any],
    retry: RetryPolicy = NO_RETRY,
    timeout: float = 10.0,
    pauses: list[float] | None = None,
    clock: CloudClock | None = None,
) -> Any:
    async with AsyncSdkClient(access, retry=retry, timeout=timeout, clock=clock, sleep=noting(pauses)) as client:
        return [await client.send(request) for request in requests][-1]


@pytest.fixture(params=[send_blocking, send_async], ids=["blocking", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    return request.param


async def test_a_call_is_signed_for_its_service(cloud: ScriptedCloud, send: Send) -> None:
    cloud.answer(JOBS)
    cloud.answer({"Response": {"QueueId": "cmqq-1", "RequestId": "r-1"}})
    assert await send(cloud.access, POLL, tdmq.create_queue("jobs")) == "cmqq-1"
    look, create = cloud.asked
    assert_signed(look, "batch")
    assert_signed(create, "tdmq")
    assert look.json == {"JobIds": ["job-1"], "Offset": 0, "Limit": 100}
    assert (look.headers["x-tc-action"], look.headers["x-tc-version"]) == ("DescribeJobs", "2017-03-12")
    assert (create.headers["x-tc-action"], create.headers["x-tc-version"]) == ("CreateCmqQueue", "2020-02-17")
    assert look.headers["x-tc-region"] == "ap-guangzhou"
    assert look.headers["x-tc-language"] == "en-US"
    assert "x-tc-token" not in look.headers


async def test_temporary_credentials_send_their_token(cloud: ScriptedCloud, send: Send) -> None:
    cloud.answer(JOBS)
    await send(replace(cloud.access, token="t0ken"), POLL)
    assert cloud.asked[0].headers["x-tc-token"] == "t0ken"


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/plain"])
async def test_an_error_is_raised_under_any_content_type(cloud: ScriptedCloud, send: Send, content_type: str) -> None:
    cloud.answer(failure("ResourceNotFound.Job", "no such job"), content_type=content_type)
    with pytest.raises(ApiNotFoundError) as error:
        await send(cloud.access, batch.describe_job("job-1"))
    assert str(error.value) == "DescribeJob: ResourceNotFound.Job: no such job (request r-2)"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AuthFailure.SignatureFailure", ApiCredentialsError),
        ("AuthFailure.UnauthorizedOperation", ApiCredentialsError),
        ("UnauthorizedOperation.UserNotAllowedToUseBatch", ApiCredentialsError),
        ("IpNotInWhitelist", ApiCredentialsError),
        ("RequestLimitExceeded", ApiThrottledError),
        ("RequestLimitExceeded.UinLimitExceeded", ApiThrottledError),
        ("LimitExceeded", ApiQuotaError),
        ("LimitExceeded.JobQuota", ApiQuotaError),
        ("ResourceNotFound.Job", ApiNotFoundError),
        ("ResourceInUse.Queue", ApiInUseError),
        ("InvalidParameter.JobIdMalformed", ApiParameterError),
        ("InvalidParameterValue", ApiParameterError),
        ("InvalidParameterValue.LimitExceeded", ApiParameterError),
        ("InvalidParameterAtLeastOneAttribute", ApiParameterError),
        ("InvalidZone.MismatchRegion", ApiParameterError),
        ("InvalidFilter", ApiParameterError),
        ("InvalidAction", ApiParameterError),
        ("MissingParameter", ApiParameterError),
        ("UnknownParameter", ApiParameterError),
        ("AllowedOneAttributeInEnvIdAndComputeEnv", ApiParameterError),
        ("UnsupportedRegion", ApiParameterError),
        ("UnsupportedOperation.AcceptOtherRequest", ApiRefusedError),
        ("ResourceUnavailable.FundRequired", ApiRefusedError),
        ("InternalError.CallCvm", ApiServerError),
        ("FailedOperation.CmqBackendError", ApiServerError),
        ("ServiceUnavailable", ApiServerError),
        ("SomethingNew.Entirely", ApiError),
    ],
)
def test_every_family_of_codes_has_its_exception(code: str, kind: type[ApiError]) -> None:
    error = api_error("DescribeJobs", code, "why", "r-1")
    assert type(error) is kind
    assert (error.action, error.code, error.message, error.request_id) == ("DescribeJobs", code, "why", "r-1")


@pytest.mark.parametrize(
    ("content", "status", "content_type"),
    [
        (b"Bad Gateway", 502, "text/html"),
        (json.dumps(failure("InternalError")).encode(), 500, "application/json"),
        (b"<html>", 200, "text/html"),
        (b"<html>", 200, "application/json"),
        (b"{}", 200, "application/json"),
        (b"[]", 200, "application/json"),
        (b"null", 200, "text/html"),
        (b'{"Response": null}', 200, "application/json"),
        (b'{"Response": {"Error": {}}}', 200, "application/json"),
        (b'{"Response": {"JobSet": [{}]}}', 200, "application/json"),
        (b'{"Response": {"JobSet": 3}}', 200, "application/json"),
        (b'{"Response": {"JobSet": ["x"]}}', 200, "application/json"),
        (b"", 200, "application/json"),
        (b"\xff", 200, "application/json"),
        (b"", 302, "text/html"),
    ],
)
async def test_what_is_no_answer_is_a_transport_error(
    cloud: ScriptedCloud, send: Send, content: bytes, status: int, content_type: str
) -> None:
    cloud.answer(content, status=status, content_type=content_type)
    with pytest.raises(TransportError, match="DescribeJobs"):
        await send(cloud.access, POLL)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"Response": {"JobSet": [' + b"[" * 100_000,
        b'{"Response": {"Error": 3}}',
        b'{"Response": {"Error": {"Code": 3, "Message": "x"}}}',
        b'{"Response": {"Error": {"Message": "x"}}}',
        b'{"Response": []}',
        b'{"Response": "x"}',
        b'{"Response": {"TotalCount": ' + b"9" * 5000 + b"}}",
        "\ufeff{}".encode(),
        b"\x1f\x8b\x08",
    ],
)
async def test_an_odd_answer_is_our_error_and_quotes_nothing(cloud: ScriptedCloud, send: Send, content: bytes) -> None:
    cloud.answer(content)
    with pytest.raises(TransportError) as caught:
        await send(cloud.access, POLL)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert len(str(caught.value)) < 300


async def test_an_error_s_text_without_an_end_is_cut(cloud: ScriptedCloud, send: Send) -> None:
    cloud.answer(failure("InvalidParameter", "x" * 100_000))
    with pytest.raises(ApiParameterError) as caught:
        await send(cloud.access, POLL)
    assert len(str(caught.value)) < 3000


async def test_a_call_may_have_a_bound_of_its_own(cloud: ScriptedCloud) -> None:
    cloud.hang()
    async with AsyncSdkClient(cloud.access, retry=NO_RETRY) as client:
        with pytest.raises(CallTimeoutError, match=r"timed out after 0\.1 s"):
            await client.send(POLL, timeout=0.1)


async def test_the_http_status_and_the_address_are_told(cloud: ScriptedCloud, send: Send) -> None:
    cloud.answer(b"", status=503)
    with pytest.raises(TransportError, match="503") as error:
        await send(cloud.access, POLL)
    assert cloud.endpoint in str(error.value)


async def test_a_cut_connection_is_a_transport_error(cloud: ScriptedCloud, send: Send) -> None:
    cloud.cut()
    with pytest.raises(TransportError):
        await send(cloud.access, POLL)


async def test_an_answer_that_is_cut_off_is_a_transport_error(cloud: ScriptedCloud, send: Send) -> None:
    cloud.cut(after=json.dumps(JOBS).encode())
    with pytest.raises(TransportError):
        await send(cloud.access, POLL)


async def test_a_server_that_hangs_is_given_up(cloud: ScriptedCloud, send: Send) -> None:
    cloud.hang()
    with pytest.raises(TransportError, match=r"(?i)time"):
        await send(cloud.access, POLL, timeout=0.1)


async def test_a_call_that_must_not_be_repeated_gets_the_most_at_once(cloud: ScriptedCloud, send: Send) -> None:
    """A bound that no slow but right answer can meet: no later call makes up for one that was given up too early."""
    cloud.hang()
    with pytest.raises(CallTimeoutError, match=r"timed out after 0\.4 s"):
        await send(cloud.access, batch.delete_job("job-00000001"), timeout=0.1)


async def test_an_address_without_a_server_is_a_transport_error(send: Send) -> None:
    with pytest.raises(TransportError, match=r"127\.0\.0\.1:9"):
        await send(CloudAccess.at_endpoint("http://127.0.0.1:9", SECRET_ID, SECRET_KEY), POLL)


async def test_a_read_survives_failures_that_pass(cloud: ScriptedCloud, send: Send) -> None:
    pauses: list[float] = []
    cloud.cut()
    cloud.answer(b"", status=500)
    cloud.answer(failure("InternalError"))
    cloud.answer(JOBS)
    [view] = await send(cloud.access, POLL, retry=RetryPolicy(), pauses=pauses)
    assert view.state == "RUNNING"
    assert len(pauses) == 3


async def test_a_submission_is_repeated_only_with_a_token(cloud: ScriptedCloud, send: Send) -> None:
    cloud.cut()
    cloud.answer(SUBMITTED)
    assert await send(cloud.access, SAFE, retry=RetryPolicy()) == "job-1"
    assert [asked.json["ClientToken"] for asked in cloud.asked] == ["token", "token"]
    cloud.cut()
    with pytest.raises(TransportError):
        await send(cloud.access, UNSAFE, retry=RetryPolicy())
    assert len(cloud.asked) == 3


async def test_a_throttled_submission_is_waited_out(cloud: ScriptedCloud, send: Send) -> None:
    pauses: list[float] = []
    cloud.answer(failure("RequestLimitExceeded"), times=5)
    cloud.answer(SUBMITTED)
    assert await send(cloud.access, UNSAFE, retry=RetryPolicy(), pauses=pauses) == "job-1"
    assert len(pauses) == 5


@pytest.mark.parametrize("code", ["LimitExceeded.JobQuota", "InvalidParameter", "AuthFailure.SignatureFailure"])
async def test_an_error_that_stays_is_raised_at_once(cloud: ScriptedCloud, send: Send, code: str) -> None:
    cloud.answer(failure(code))
    with pytest.raises(ApiError):
        await send(cloud.access, SAFE, retry=RetryPolicy())
    assert len(cloud.asked) == 1


@pytest.mark.parametrize("off", [-172800.0, 172800.0])
async def test_a_machine_with_a_wrong_clock_signs_with_the_clouds_time(
    cloud: ScriptedCloud, send: Send, off: float
) -> None:
    date = time.time() + off
    clock = Dates()
    cloud.answer(failure("AuthFailure.SignatureExpire"), date=date)
    cloud.answer(SUBMITTED, date=date, times=2)
    assert await send(cloud.access, UNSAFE, SAFE, clock=clock) == "job-1"
    first, *later = cloud.asked
    assert abs(int(first.headers["x-tc-timestamp"]) - time.time()) < 60
    for asked in later:
        assert abs(int(asked.headers["x-tc-timestamp"]) - date) < 60
        assert_signed(asked, "batch")
    assert clock.learned == [(int(date), False), (int(date), True), (int(date), True)]


async def test_an_error_status_tells_the_time_too(cloud: ScriptedCloud, send: Send) -> None:
    clock = Dates()
    cloud.answer(b"", status=500, date=1_700_000_000)
    with pytest.raises(TransportError):
        await send(cloud.access, POLL, clock=clock)
    assert clock.learned == [(1_700_000_000, False)]


async def test_parameters_that_are_no_json_are_never_sent(cloud: ScriptedCloud, send: Send) -> None:
    request = batch.submit_job({"Tasks": [{"Timeout": {1, 2}}]}, {"Zone": "z"})
    with pytest.raises(ConfigurationError, match="SubmitJob: the parameters cannot be written as JSON"):
        await send(cloud.access, request)
    assert cloud.asked == []


async def test_no_secret_reaches_the_log_or_an_exception(
    cloud: ScriptedCloud, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    job = {"Tasks": [{"Application": {"Docker": {"Password": "passw0rd"}}}]}
    access = replace(cloud.access, token="t0ken")
    cloud.answer(SUBMITTED)
    cloud.cut()
    with caplog.at_level(logging.DEBUG), pytest.raises(CloudError) as error:
        await send(access, *[batch.submit_job(job, {"Zone": "z"})] * 2)
    for secret in (SECRET_KEY, "t0ken", "passw0rd"):
        assert secret not in caplog.text
        assert secret not in repr(error.value)


async def test_a_proxy_is_used(cloud: ScriptedCloud, send: Send) -> None:
    cloud.answer(JOBS)
    access = replace(cloud.access, batch_endpoint="http://batch.invalid", proxy=cloud.endpoint)
    [view] = await send(access, POLL)
    assert view.job_id == "job-1"
    assert cloud.asked[0].line.startswith("POST http://batch.invalid/")


async def test_connections_are_kept(cloud: ScriptedCloud, send: Send) -> None:
    cloud.answer(JOBS, times=5)
    await send(cloud.access, *[POLL] * 5)
    assert cloud.connections == 1


async def test_a_closed_client_opens_again(cloud: ScriptedCloud) -> None:
    cloud.answer(JOBS, times=4)
    client = AsyncSdkClient(cloud.access)
    for _ in range(2):
        [view] = await client.send(POLL)
        assert view.job_id == "job-1"
        await client.aclose()
    blocking = SdkClient(cloud.access)
    for _ in range(2):
        assert len(await asyncio.to_thread(blocking.send, POLL)) == 1
        blocking.close()


async def test_many_calls_at_once_share_a_client(cloud: ScriptedCloud) -> None:
    for _ in range(10):
        cloud.hang()
    async with AsyncSdkClient(cloud.access) as client:
        polls = [asyncio.create_task(client.send(POLL)) for _ in range(10)]
        await cloud.until_hanging(10)
        cloud.answer(JOBS, times=10)
        cloud.release.set()
        for views in await asyncio.gather(*polls):
            assert [view.job_id for view in views] == ["job-1"]


async def test_opening_the_asynchronous_client_does_not_block_the_loop(cloud: ScriptedCloud) -> None:
    cloud.answer(JOBS)
    loop = asyncio.get_running_loop()
    callers: list[str] = []
    import ssl

    original = ssl.SSLContext.load_verify_locations

    def spy(*args: Any, **kwargs: Any) -> None:
        try:
            callers.append("loop" if asyncio.get_running_loop() is loop else "other")
        except RuntimeError:
            callers.append("thread")
        original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_verify_locations", spy)
        async with AsyncSdkClient(cloud.access) as client:
            await client.send(POLL)
    assert set(callers) == {"thread"}


def test_importing_the_room_brings_no_sdk_or_http_client() -> None:
    script = (
        "import sys\n"
        "from airflow_batch_events.protocol import cmq, credentials, sdk\n"
        "from airflow_batch_events.protocol.apis import batch, tdmq\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(ran.stdout.split())
    assert "airflow_batch_events" in loaded
    assert not loaded & {"tencentcloud", "aiohttp", "httpx", "requests", "starlette", "airflow"}


async def test_a_slow_api_gets_longer_bounds_until_it_is_quick_again(
    cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: list[float] = []
    exchange = http_line.HttpLine.exchange
    answers = iter([CallTimeoutError("slow")] * 3 + [None] * 3)

    async def slow(self: http_line.HttpLine, action: str, request: object, timeout: float) -> http_line.HttpAnswer:
        bounds.append(timeout)
        error = next(answers)
        if error is not None:
            raise error
        return await exchange(self, action, request, timeout)  # type: ignore[arg-type]

    monkeypatch.setattr(http_line.HttpLine, "exchange", slow)
    cloud.answer({"Response": {"JobSet": []}}, times=3)

    def send() -> None:
        with SdkClient(cloud.access, retry=RetryPolicy(), sleep=noting(None)) as client:
            for _ in range(2):
                assert client.send(POLL) == []
            assert client.send(POLL, timeout=7.0) == []

    await asyncio.to_thread(send)
    assert bounds == [15, 30, 60, 60, 15, 7]
