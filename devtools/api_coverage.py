# SPDX-License-Identifier: Apache-2.0
"""
Which actions the vendor documents, and which of them the emulator has: a table that the guide shows.

The lists below are the vendor's, not ours: an action is added because a page or the vendor's SDK names it, never
because the emulator can do it. ``python -m devtools.api_coverage docs/emulator.md`` writes the table
anew, and a test fails when the guide and the code disagree.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.http import cmq_endpoint
from tencent_batch_emulator.services.base import Service
from tencent_batch_emulator.services.batch.runners.scripted import ScriptedRunner
from tencent_batch_emulator.services.batch.service import BatchService
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.service import CmqService
from tencent_batch_emulator.services.keys import KeyRing
from tencent_batch_emulator.services.sts.service import StsService
from tencent_batch_emulator.services.tdmq.service import TdmqService

BEGIN = "<!-- coverage: written by python -m devtools.api_coverage -->"
END = "<!-- end of coverage -->"


@dataclass(frozen=True)
class Api:
    """
    What the vendor documents of one API.

    :param name: The service in the credential scope, or ``cmq`` for the data plane.
    :param title: What readers know it as.
    :param groups: The actions by what they are about.
    """

    name: str
    title: str
    groups: Mapping[str, tuple[str, ...]]

    @property
    def actions(self) -> frozenset[str]:
        """Every documented action."""
        return frozenset(action for actions in self.groups.values() for action in actions)


BATCH = Api(
    "batch",
    "Batch 2017-03-12",
    {
        "Jobs": (
            "SubmitJob",
            "DescribeJob",
            "DescribeJobs",
            "DescribeTask",
            "DescribeTaskLogs",
            "DescribeJobSubmitInfo",
            "DescribeJobMonitorData",
            "TerminateJob",
            "TerminateTaskInstance",
            "RetryJobs",
            "DeleteJob",
        ),
        "Compute environments": (
            "CreateComputeEnv",
            "DescribeComputeEnv",
            "DescribeComputeEnvs",
            "DescribeComputeEnvActivities",
            "DescribeComputeEnvCreateInfo",
            "DescribeComputeEnvCreateInfos",
            "ModifyComputeEnv",
            "TerminateComputeNode",
            "TerminateComputeNodes",
            "AttachInstances",
            "DetachInstances",
            "DeleteComputeEnv",
        ),
        "Task templates": (
            "CreateTaskTemplate",
            "ModifyTaskTemplate",
            "DescribeTaskTemplates",
            "DeleteTaskTemplates",
        ),
        "Catalog": (
            "DescribeInstanceCategories",
            "DescribeAvailableCvmInstanceTypes",
            "DescribeCvmZoneInstanceConfigInfos",
        ),
    },
)

TDMQ = Api(
    "tdmq",
    "TDMQ 2020-02-17, the Cmq actions",
    {
        "Queues": (
            "CreateCmqQueue",
            "DeleteCmqQueue",
            "DescribeCmqQueues",
            "DescribeCmqQueueDetail",
            "ModifyCmqQueueAttribute",
            "ClearCmqQueue",
            "RewindCmqQueue",
            "UnbindCmqDeadLetter",
            "DescribeCmqDeadLetterSourceQueues",
        ),
        "Topics": (
            "CreateCmqTopic",
            "DeleteCmqTopic",
            "DescribeCmqTopics",
            "DescribeCmqTopicDetail",
            "ModifyCmqTopicAttribute",
        ),
        "Subscriptions": (
            "CreateCmqSubscribe",
            "DeleteCmqSubscribe",
            "DescribeCmqSubscriptionDetail",
            "ModifyCmqSubscriptionAttribute",
            "ClearCmqSubscriptionFilterTags",
        ),
        "Test messages": ("SendCmqMsg", "PublishCmqMsg"),
    },
)

CMQ = Api(
    "cmq",
    "CMQ data plane, /v2/index.php",
    {
        "Queues": (
            "SendMessage",
            "BatchSendMessage",
            "ReceiveMessage",
            "BatchReceiveMessage",
            "DeleteMessage",
            "BatchDeleteMessage",
            "QueryQueueRoute",
        ),
        "Topics": ("PublishMessage", "BatchPublishMessage", "QueryTopicRoute"),
    },
)

STS = Api(
    "sts",
    "STS 2018-08-13, the actions that clients of this package use",
    {"Roles": ("AssumeRole",), "Callers": ("GetCallerIdentity",)},
)

APIS = (BATCH, TDMQ, CMQ, STS)


@dataclass(frozen=True)
class Coverage:
    """
    One API compared with the emulator.

    :param api: What is documented.
    :param implemented: What the emulator answers.
    """

    api: Api
    implemented: frozenset[str]

    @property
    def missing(self) -> frozenset[str]:
        """Documented actions that the emulator does not have."""
        return self.api.actions - self.implemented

    @property
    def undocumented(self) -> frozenset[str]:
        """Actions that the emulator has and no page names: a client that uses them fails in the cloud."""
        return self.implemented - self.api.actions

    @property
    def present(self) -> frozenset[str]:
        """Documented actions that the emulator has."""
        return self.api.actions & self.implemented


def compare(implemented: Mapping[str, Collection[str]], apis: Sequence[Api] = APIS) -> list[Coverage]:
    """
    Compare what is documented with what there is.

    :param implemented: The actions by the API's name.
    :param apis: What is documented.
    """
    return [Coverage(api, frozenset(implemented.get(api.name, ()))) for api in apis]


def implemented_actions() -> dict[str, frozenset[str]]:
    """Ask the services themselves; none of them is started."""

    async def publish(topic_name: str, body: str) -> None:
        """Lose the event: nothing runs here."""

    clock = Clock(running=False)
    broker = Broker(clock)
    apis: tuple[Service, ...] = (
        BatchService(clock, publish, ScriptedRunner(clock)),
        TdmqService(broker),
        StsService(KeyRing(), clock),
    )
    # The front of the data plane lets through only the names that it knows.
    data_plane = cmq_endpoint.ACTIONS & CmqService(broker).actions.keys()
    return {**{service.name: frozenset(service.actions) for service in apis}, cmq_endpoint.SERVICE: data_plane}


def table(coverages: Sequence[Coverage]) -> str:
    """Return the tables of the guide as Markdown: a summary, then every action."""
    return "\n".join(_lines(coverages))


def _lines(coverages: Sequence[Coverage]) -> Iterator[str]:
    yield "| API | documented | implemented |"
    yield "|---|---:|---:|"
    for one in coverages:
        yield f"| {one.api.title} | {len(one.api.actions)} | {len(one.present)} |"
    documented = sum(len(one.api.actions) for one in coverages)
    yield f"| **all** | {documented} | {sum(len(one.present) for one in coverages)} |"
    for one in coverages:
        yield from ("", f"**{one.api.title}**", "", "| About | Implemented | Missing |", "|---|---|---|")
        for about, actions in one.api.groups.items():
            present = [action for action in actions if action in one.present]
            missing = [action for action in actions if action in one.missing]
            yield f"| {about} | {_names(present)} | {_names(missing)} |"


def _names(actions: Sequence[str]) -> str:
    return ", ".join(f"`{action}`" for action in actions) or "none"


def with_table(text: str, written: str) -> str:
    """
    Put the table between its marks.

    :raises ValueError: When the marks are not there, once each and in their order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in head + tail:
        raise ValueError(f"the table needs one line {BEGIN!r} and, below it, one line {END!r}")
    return f"{head}{BEGIN}\n\n{written}\n\n{END}{tail}"


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Write the table into the guide.

    :return: 0, or 1 when a documented action is missing, or 2 when the guide cannot be written.
    """
    paths = sys.argv[1:] if arguments is None else list(arguments)
    if len(paths) != 1:
        sys.stderr.write("usage: python -m devtools.api_coverage docs/emulator.md\n")
        return 2
    path, coverages = Path(paths[0]), compare(implemented_actions())
    try:
        path.write_text(with_table(path.read_text(encoding="utf-8"), table(coverages)), encoding="utf-8")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the coverage table was not written into {path}: {error}\n")
        return 2
    missing = sorted(action for one in coverages for action in one.missing)
    if missing:
        sys.stderr.write(f"documented but missing in the emulator: {', '.join(missing)}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
