# SPDX-License-Identifier: Apache-2.0
"""What Airflow discovers of this package. Runs in every Airflow process, so it imports nothing."""

from __future__ import annotations

from typing import Any

_BATCH = "Tencent Cloud Batch"
_CMQ = "TDMQ for CMQ"


def _field(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def _endpoint(api: str, host: str) -> dict[str, Any]:
    return _field(f"{api} endpoint", f"Empty for https://{host}.tencentcloudapi.com.", format="url")


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the form of Airflow's ``provider_info.schema.json``."""
    from airflow_batch_events import __version__

    return {
        "package-name": "airflow-batch-events",
        "name": "Tencent Cloud Batch events",
        "description": "Run Tencent Cloud Batch jobs and wait for them by event.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _BATCH,
                "external-doc-url": "https://cloud.tencent.com/document/product/599",
                "how-to-guide": ["/docs/howto.md"],
                "logo": "/docs/images/logo.svg",
                "tags": ["service"],
            },
            {
                "integration-name": _CMQ,
                "external-doc-url": "https://cloud.tencent.com/document/product/1496",
                "how-to-guide": ["/docs/howto.md"],
                "logo": "/docs/images/logo.svg",
                "tags": ["service"],
            },
        ],
        "operators": [
            {
                "integration-name": _BATCH,
                "python-modules": [
                    "airflow_batch_events.operators.batch",
                    "airflow_batch_events.operators.branch",
                    "airflow_batch_events.operators.compute_env",
                ],
            },
            {"integration-name": _CMQ, "python-modules": ["airflow_batch_events.operators.cmq"]},
        ],
        "sensors": [
            {
                "integration-name": _BATCH,
                "python-modules": ["airflow_batch_events.sensors.batch", "airflow_batch_events.sensors.compute_env"],
            }
        ],
        "hooks": [
            {"integration-name": _BATCH, "python-modules": ["airflow_batch_events.hooks.batch"]},
            {"integration-name": _CMQ, "python-modules": ["airflow_batch_events.hooks.cmq"]},
        ],
        "triggers": [
            {
                "integration-name": _BATCH,
                "python-modules": [
                    "airflow_batch_events.triggers.batch",
                    "airflow_batch_events.triggers.compute_env",
                    "airflow_batch_events.triggers.event",
                    "airflow_batch_events.triggers.event_wait",
                    "airflow_batch_events.triggers.many_jobs",
                ],
            },
            {"integration-name": _CMQ, "python-modules": ["airflow_batch_events.triggers.cmq"]},
        ],
        "asset-uris": [
            {
                "schemes": ["tencent-batch"],
                "handler": "airflow_batch_events.assets.batch.sanitize_uri",
                "factory": "airflow_batch_events.assets.batch.create_asset",
            },
            {
                "schemes": ["cos"],
                "handler": None,
                "to_openlineage_converter": "airflow_batch_events.assets.cos.convert_to_openlineage",
            },
        ],
        "cli": ["airflow_batch_events.cli.definition.get_batch_events_commands"],
        "queues": ["airflow_batch_events.queues.cmq.CmqMessageQueueProvider"],
        "task-decorators": [
            {"name": "batch_job", "class-name": "airflow_batch_events.decorators.batch.batch_job_task"},
            {"name": "batch_jobs", "class-name": "airflow_batch_events.decorators.batch.batch_jobs_task"},
        ],
        "extra-links": [
            f"airflow_batch_events.links.console.{link}"
            for link in ("BatchJobLink", "BatchComputeEnvLink", "CmqQueueLink", "CmqTopicLink")
        ],
        "connection-types": [
            {
                "connection-type": "tencentcloud",
                "hook-class-name": "airflow_batch_events.hooks.batch.BatchHook",
                "hook-name": "Tencent Cloud",
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "schema", "port"],
                    "relabeling": {"login": "SecretId", "password": "SecretKey"},
                    "placeholders": {
                        "login": "AKID..., or empty for the machine's key",
                        "password": "empty for the machine's key",
                    },
                },
                "conn-fields": {
                    "region": _field("Region", "Long form, for example ap-guangzhou.", default="ap-guangzhou"),
                    "cmq_endpoint": _field(
                        "CMQ endpoint",
                        "Copy it from the console: TDMQ for CMQ > Queue Service > API request address.",
                        format="url",
                    ),
                    "batch_endpoint": _endpoint("Batch", "batch"),
                    "tdmq_endpoint": _endpoint("TDMQ", "tdmq"),
                    "sts_endpoint": _endpoint("STS", "sts"),
                    "cos_endpoint": _field(
                        "COS endpoint",
                        "Without a bucket, for example https://cos-internal.ap-guangzhou.tencentcos.cn; empty for the "
                        "region's public one.",
                        format="url",
                    ),
                    "console_url": _field(
                        "Console URL",
                        "Where the links of tasks lead: URL/jobs/ID and so on. Empty for the vendor's console; "
                        "http://127.0.0.1:8700/console for an emulator there.",
                        format="url",
                    ),
                    "token": _field("Session token", "Only with temporary keys.", format="password"),
                    "role_arn": _field(
                        "Role to assume", "For example qcs::cam::uin/100000000001:roleName/airflow; empty for none."
                    ),
                    "role_session_name": _field(
                        "Role session name", "What the audit log shows; airflow-batch-events by default."
                    ),
                    "role_duration_seconds": _field(
                        "Role key duration",
                        "Seconds that a key of the role lasts before it is renewed; 7200 by default, at most 43200.",
                        type=["integer", "null"],
                        minimum=1,
                        maximum=43200,
                    ),
                    "role_external_id": _field(
                        "Role external id", "If the role's trust policy asks for one.", format="password"
                    ),
                    "proxy": _field(
                        "Proxy",
                        "http://host:port, with user:password@ if need be (# / ? [ @ in them percent-encoded); empty "
                        "for the environment's.",
                        format="password",
                    ),
                    "verify": _field(
                        "Check TLS certificates",
                        "A CA bundle of your own is set in Airflow's configuration: [batch_events] ca_bundle.",
                        type=["boolean", "null"],
                        default=True,
                    ),
                },
            }
        ],
        "config": {
            "batch_events": {
                "description": "Tencent Cloud Batch events.",
                "options": {
                    "ca_bundle": {
                        "description": (
                            "Path of the CA certificates that the cloud's addresses, or a proxy on the way there, are "
                            "checked with; empty for the usual ones. Not in a connection: users who may edit those "
                            "must not choose files."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/etc/ssl/certs/company.pem",
                        "default": "",
                    },
                    "cost_tags": {
                        "description": (
                            "Whether jobs get the tags airflow-dag, airflow-task, airflow-run and airflow-try, by "
                            "which a bill tells whose they were. An operator's cost_tags goes before it."
                        ),
                        "version_added": "0.2.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    "ui": {
                        "description": (
                            "Whether Airflow's UI has the page Batch: what waits, what has ended, and whether the "
                            "events of each queue arrive. Read when a component starts."
                        ),
                        "version_added": "0.2.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                },
            }
        },
    }
