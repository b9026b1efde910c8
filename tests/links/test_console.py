# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.links.console import BatchJobLink
from airflow_batch_events.protocol.credentials.access import CloudAccess

EMULATOR = CloudAccess.at_endpoint("http://127.0.0.1:8700", "AKIDexample", "example")


@pytest.mark.parametrize(
    ("job_id", "path"),
    [
        ("job-4yn0we13", "job-4yn0we13"),
        ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"),
        ("\x1b\r\n", "%1B%0D%0A"),
        ("\ud800", "%3F"),
        ("배치", "%EB%B0%B0%EC%B9%98"),
    ],
)
def test_an_id_is_one_part_of_the_address_whatever_it_holds(job_id, path):
    assert BatchJobLink.url(EMULATOR, job_id) == f"http://127.0.0.1:8700/console/jobs/{path}"
