# SPDX-License-Identifier: Apache-2.0
"""
What the cloud's APIs take, in one table: how many of a thing, how long, how often.

Each limit has the page that states it. Beside ``text.py``, below every room: ``events/`` checks what a DAG author
writes by it, ``protocol/`` what goes into a call, and neither may import the other. A bound that this package chooses
by itself (how long it waits, how much it logs) does not belong here; it stands where it is used.

Pages of cloud.tencent.com are the vendor's Chinese ones, which name more limits than the English ones do.
"""

from __future__ import annotations

# Batch.

MAX_IDS = 100
"""
Ids in one call that takes a list of them, and entries of one page of a list.

DescribeJobs: https://cloud.tencent.com/document/product/599/15909; RetryJobs and DescribeComputeEnvs
(https://cloud.tencent.com/document/product/599/15893) have the same.
"""

MAX_LOGS = 10
"""Task instances whose output one call returns: https://cloud.tencent.com/document/product/599/30318."""

MAX_LOG_BYTES = 2_048
"""
Bytes of each stream of an instance that such a call returns; the page does not say which, and it seems to be the end.

https://cloud.tencent.com/document/product/599/30318
"""

MAX_CLIENT_TOKEN = 64
"""ASCII characters of a client token: https://cloud.tencent.com/document/product/599/15907."""

DESCRIBE_TASK_RATE = 3.0
"""
DescribeTask calls a second of an account: https://www.tencentcloud.com/document/product/599/30458.

The Chinese page has 20: https://cloud.tencent.com/document/product/599/30660.
"""

DESCRIBE_JOBS_RATE = 10.0
"""
DescribeJobs calls a second of an account: https://cloud.tencent.com/document/product/599/30660.

The English page has 2: https://www.tencentcloud.com/document/product/599/30458.
"""

TERMINATE_JOB_RATE = 10.0
"""
TerminateJob calls a second of an account: https://cloud.tencent.com/document/product/599/30660.

The English page has 2: https://www.tencentcloud.com/document/product/599/30458.
"""

SUBMIT_JOB_RATE = 20.0
"""
SubmitJob calls a second of an account: https://cloud.tencent.com/document/product/599/30660.

The English page has 7: https://www.tencentcloud.com/document/product/599/30458.
"""

DESCRIBE_TASK_LOGS_RATE = 20.0
"""DescribeTaskLogs calls a second of an account: https://cloud.tencent.com/document/product/599/30660."""

DELETE_JOB_RATE = 30.0
"""DeleteJob calls a second of an account: https://cloud.tencent.com/document/product/599/30660."""

MAX_JOBS_OF_ACCOUNT = 1_000
"""Jobs of an account, those that have ended included: https://cloud.tencent.com/document/product/599/30660."""

MAX_JOB_NAME = 60
"""Characters in the name of a job or a task: https://cloud.tencent.com/document/product/599/15907."""

MAX_JOB_DESCRIPTION = 200
"""Characters in the description of a job: https://cloud.tencent.com/document/product/599/15907."""

MAX_TASK_RETRIES = 5
"""Executions of an instance after its first: https://cloud.tencent.com/document/product/599/15907."""

MAX_CONCURRENT_INSTANCES = 200_000
"""Instances of a task that may run at once: https://cloud.tencent.com/document/product/599/15907."""

MAX_PRIORITY = 100
"""A job's priority: https://cloud.tencent.com/document/product/599/15907."""

MAX_INSTANCE_TYPES = 10
"""Types of servers that are tried in order: https://cloud.tencent.com/document/product/599/15907."""

MAX_TAGS = 10
"""Tags of a job or of a compute environment: https://cloud.tencent.com/document/product/599/30660."""

MAX_TAG_VALUE = 127
"""Characters of a tag's value; the vendor's pages name 127 and 255: https://cloud.tencent.com/document/product/651."""

MAX_NODES = 2000
"""Nodes of a compute environment: https://cloud.tencent.com/document/product/599/30660."""

MAX_REQUEST_BYTES = 10 * 1024 * 1024
"""Bytes of a TC3 request: https://www.tencentcloud.com/document/product/599/30368."""

# Queues and topics.

MAX_NAME = 64
"""
Characters in the name of a queue, a topic or a subscription.

CreateCmqQueue: https://cloud.tencent.com/document/product/1179/55917; CreateCmqTopic
(https://cloud.tencent.com/document/product/1179/55915) and CreateCmqSubscribe
(https://cloud.tencent.com/document/product/1179/55916) have the same.
"""

MAX_PAGE = 50
"""
Entries on one page of a list.

DescribeCmqQueues: https://cloud.tencent.com/document/product/1179/55909; DescribeCmqTopics
(https://cloud.tencent.com/document/product/1179/55906) and DescribeCmqSubscriptionDetail
(https://cloud.tencent.com/document/product/1179/55908) have the same.
"""

MAX_VISIBILITY = 43_200
"""Seconds for which a received message is hidden: https://cloud.tencent.com/document/product/1179/55917."""

MAX_RETENTION = 43_200
"""Seconds for which a message waits to be received: https://cloud.tencent.com/document/product/1179/55917."""

MAX_REWIND = 1_296_000
"""Seconds for which deleted messages are kept: https://cloud.tencent.com/document/product/1179/55917."""

MIN_REWIND_SIZE_MB = 10_240
"""Room for these, for a queue that keeps any: https://cloud.tencent.com/document/product/1179/55917."""

MAX_MESSAGES = 16
"""
Messages or receipt handles in one call of the data plane.

BatchReceiveMessage: https://www.tencentcloud.com/document/product/1111/46418; the other batch calls have the same.
"""

MAX_MESSAGE_BYTES = 1_048_576
"""Bytes of a message that a queue can take: https://cloud.tencent.com/document/product/1179/55917."""

MAX_BATCH_BYTES = 64 * 1024
"""Bytes of all bodies of a batch that every queue takes: https://www.tencentcloud.com/document/product/1111/46416."""

MAX_LONG_POLL = 30
"""Seconds for which a receive can wait for a message: https://www.tencentcloud.com/document/product/1111/46418."""

# COS.

MAX_COS_KEY = 850
"""Bytes of an object's key: https://cloud.tencent.com/document/product/436/13324."""

# STS.

MAX_ROLE_DURATION = 43_200
"""Seconds that a temporary key of a role lasts: https://www.tencentcloud.com/document/product/1150/49456."""

DEFAULT_ROLE_DURATION = 7_200
"""Seconds that it lasts where none are asked for: https://www.tencentcloud.com/document/product/1150/49456."""

MAX_ROLE_TEXT = 128
"""Characters in a session name or an external id: https://www.tencentcloud.com/document/product/1150/49456."""
