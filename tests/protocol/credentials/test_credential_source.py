# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from protocol.credentials.metadata_service import SECRET, Metadata

from airflow_batch_events.protocol.credentials.credential_source import CredentialSource


def test_an_account_without_a_key_is_the_machine(metadata: Metadata) -> None:
    metadata.role = "worker"
    account = CredentialSource(
        endpoints={
            "region": "ap-guangzhou",
            "cmq_endpoint": None,
            "batch_endpoint": None,
            "tdmq_endpoint": None,
            "sts_endpoint": None,
            "cos_endpoint": None,
            "verify": True,
            "proxy": None,
            "source": "connection 'c'",
        }
    )
    access = account.resolve()
    assert access.identity == "key AKIDmach... of the machine"
    assert access.token == "token-1"
    assert access.renewal is not None
    assert SECRET not in repr((account, access))
