# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.provisioning.provision import DesiredState
from airflow_batch_events.provisioning.queue_names import check_queue_name, fill_in

HOSTS = st.text(st.sampled_from("abcXYZ019.-_ é"), min_size=1, max_size=120).filter(lambda host: host.strip(". -_é"))


def test_what_a_queue_s_name_cannot_hold_becomes_a_hyphen():
    assert fill_in("airflow-{hostname}", "triggerer_1.example.com") == "airflow-triggerer-1-example-com"


def test_a_host_that_begins_with_a_digit_is_refused():
    assert fill_in("q-{hostname}", "10.0.0.7") == "q-10-0-0-7"
    with pytest.raises(ConfigurationError, match=r"queue_name '\{hostname\}' is '10-0-0-7' .* begin with a letter"):
        fill_in("{hostname}", "10.0.0.7")


def test_a_placeholder_that_does_not_exist_is_refused():
    with pytest.raises(ConfigurationError, match="placeholder"):
        fill_in("airflow-{host}", "a")


@given(HOSTS)
def test_every_host_gives_names_that_the_cloud_takes(host):
    wanted = DesiredState("topic", fill_in("airflow-{hostname}", host))
    names = {wanted.queue_name, wanted.subscription, wanted.dead_letter_queue}
    assert len(names) == 3
    for name in names:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", name)
    assert wanted.subscription == f"to-{wanted.queue_name}"


@given(st.sets(st.integers(0, 10_000), min_size=2, max_size=20))
def test_long_names_of_different_hosts_stay_different(numbers):
    hosts = [f"airflow-triggerer-of-a-rather-long-release-name-{number}.example.internal" for number in numbers]
    assert len({fill_in("airflow-{hostname}", host) for host in hosts}) == len(hosts)


def test_a_task_cannot_create_the_queues_of_the_triggerers_hosts():
    with pytest.raises(ConfigurationError, match=r"provision --queue 'airflow-\{hostname\}' on each of their hosts"):
        DesiredState("topic", "airflow-{hostname}")


@pytest.mark.parametrize("name", ["airflow-batch-events", "a", "Q_1", "q" * 64, "airflow-{hostname}", "{hostname}"])
def test_a_name_that_a_queue_can_have_is_taken(name):
    assert check_queue_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "1st", "-a", "a b", " a", "a\n", "a\0", "名", "q" * 65, "a{", "{host}", "a/{hostname}", None, 7, ["a"]]
)
def test_a_name_that_no_queue_can_have_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"queue_name is .* cannot be a queue's name"):
        check_queue_name(name)


@given(HOSTS)
def test_what_a_host_fills_in_is_a_name_that_a_queue_can_have(host):
    assert check_queue_name(fill_in("airflow-{hostname}", host))
