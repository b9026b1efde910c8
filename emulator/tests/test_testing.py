# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import httpx
import pytest
from tencentcloud.batch.v20170312 import batch_client, models
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.testing import RunningEmulator, start_emulator


def vendor_client(emulator: RunningEmulator) -> batch_client.BatchClient:
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=emulator.host))
    return batch_client.BatchClient(Credential(emulator.secret_id, emulator.secret_key), emulator.region, profile)


def test_the_vendor_s_blocking_client_works_with_the_fixture(batch_emulator: RunningEmulator) -> None:
    client = vendor_client(batch_emulator)

    assert client.DescribeJobs(models.DescribeJobsRequest()).TotalCount == 0
    assert batch_emulator.count("DescribeJobs", code="OK") == 1
    assert [call.action for call in batch_emulator.calls()] == ["DescribeJobs"]


def test_clock_and_faults_can_be_reached_from_the_tests_thread(batch_emulator: RunningEmulator) -> None:
    before = batch_emulator.time()
    batch_emulator.advance(3600)
    assert batch_emulator.time() >= before + 3600

    batch_emulator.add_fault(Fault(effect="error", code="InternalError", action="DescribeJobs"))
    batch_emulator.drop_next("JOB_SUCCEED")
    with pytest.raises(TencentCloudSDKException, match="InternalError"):
        vendor_client(batch_emulator).DescribeJobs(models.DescribeJobsRequest())
    batch_emulator.clear_faults()
    assert batch_emulator.call(lambda emulator: emulator.faults.rules) == ()


def test_coroutines_run_in_the_emulators_loop(batch_emulator: RunningEmulator) -> None:
    async def send(emulator: object) -> str:
        return threading.current_thread().name

    assert batch_emulator.call(send) == "batch-emulator"


def test_after_its_context_nothing_listens_and_no_thread_is_left() -> None:
    # The emulator that the whole session shares may be running beside it.
    threads = set(threading.enumerate())
    with start_emulator() as emulator:
        assert httpx.get(f"{emulator.endpoint}/", trust_env=False).status_code == 200
        assert emulator.secret_key not in repr(emulator)

    with pytest.raises(httpx.ConnectError):
        httpx.get(emulator.endpoint, trust_env=False)
    assert "batch-emulator" not in [thread.name for thread in set(threading.enumerate()) - threads]


def test_why_it_could_not_start_reaches_the_test() -> None:
    with (
        start_emulator() as emulator,
        pytest.raises(OSError, match=str(emulator.port)),
        start_emulator(port=emulator.port),
    ):
        pass


def test_an_error_in_the_emulators_loop_reaches_the_test(batch_emulator: RunningEmulator) -> None:
    with pytest.raises(ValueError, match="only moves forward"):
        batch_emulator.advance(-1)
