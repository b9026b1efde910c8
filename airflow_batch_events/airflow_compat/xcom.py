# SPDX-License-Identifier: Apache-2.0
"""XComs: those that a trigger pushes for its task, and those that a link reads."""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time.xcom import XCom

from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.airflow_compat.triggerer import ask_supervisor, in_thread

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey
    from airflow.triggers.base import BaseTrigger

PUSH_BOUND = 120.0
"""Seconds that a push from a trigger may take; the triggerer serves such requests one by one."""


async def push_from_trigger(trigger: BaseTrigger, key: str, value: Any, *, mapped_length: int | None = None) -> None:
    """
    Push an XCom of a trigger's task.

    The events that end a task take XComs, too, but store each as the text of a text; a trigger's task instance cannot
    push; and a task downstream can expand over a list only when its length is given, which is a private argument.

    Source: ``models/trigger.py``, line 691 (texts of texts); ``sdk/bases/xcom.py``, lines 101 to 144 (``aset``). Since:
    before 3.1; ``aset`` since 3.3, whose two halves are called here before. It can go when
    ``TaskSuccessEvent(xcoms=...)`` stores what it is given, lengths included.

    :param trigger: The trigger, with its task instance.
    :param key: The XCom's key.
    :param value: What can be stored.
    :param mapped_length: How many items a task downstream may expand over.
    :raises RuntimeError: When the trigger has no task.
    """
    task = trigger.task_instance
    if task is None:
        raise RuntimeError("only a trigger in a triggerer has a task to push for")
    where = _place_of(trigger, task, key)
    if hasattr(XCom, "aset"):
        await XCom.aset(value=value, _mapped_length=mapped_length, **where)
    else:
        # The module brings what runs tasks.
        from airflow.sdk.execution_time.comms import SetXCom

        stored = XCom.serialize_value(value=value, **where)
        await ask_supervisor(SetXCom(value=stored, mapped_length=mapped_length, **where))


async def pull_in_trigger(trigger: BaseTrigger, key: str) -> Any:
    """
    Return what a trigger's task has pushed under a key; None where it has pushed nothing.

    Source: ``sdk/bases/xcom.py``, line 184, which blocks. Since: before 3.1; 3.3 has asynchronous ways. It can go when
    3.2 is not supported.

    :param trigger: The trigger, with its task instance.
    :param key: The XCom's key.
    :raises RuntimeError: When the supervisor cannot tell.
    """
    # The module brings what runs tasks.
    from airflow.sdk.execution_time.comms import GetXCom

    stored = await ask_supervisor(GetXCom(**_place_of(trigger, trigger.task_instance, key)))
    return None if stored.value is None else await in_thread(XCom.deserialize_value, stored)


def _place_of(trigger: BaseTrigger, task: Any, key: str) -> dict[str, Any]:
    return {
        "key": key,
        "dag_id": task.dag_id,
        "task_id": task.task_id,
        "run_id": task.run_id,
        "map_index": map_index_of(trigger),
    }


def map_index_of(trigger: BaseTrigger) -> int:
    """
    Return the map index of a trigger's task, -1 for one that is not mapped.

    Source: ``sdk/api/datamodels/_generated.py``, line 245, which types it as a number or None. Since: before 3.1. It
    can go when it is always a number.
    """
    index = getattr(trigger.task_instance, "map_index", None)
    return -1 if index is None else index


def stores_elsewhere() -> bool:
    """
    Whether XComs go through a back end of the deployment's own, which may block, and with it all triggers.

    Source: ``sdk/bases/xcom.py``, line 126, which calls it on the loop of the triggers. Since: before 3.1. It can go
    when it is called in a thread.
    """
    return XCom.serialize_value is not BaseXCom.serialize_value


def is_too_long_to_expand(value: Sized) -> bool:
    """
    Whether a result cannot be pushed with its length, because Airflow bounds what a task downstream may expand over.

    Source: ``api_fastapi/execution_api/routes/xcoms.py``, line 420. Since: before 3.1. It can go with
    :func:`push_from_trigger`.
    """
    return bool(len(value) > conf.getint("core", "max_map_length"))


def drop_xcom(ti: Any, key: str) -> None:
    """
    Delete an XCom of the running task, on a worker; it may not be there.

    Source: ``sdk/bases/xcom.py``, ``delete``; a task instance can push and pull, but not delete. Since: before 3.1. It
    can go when it can.

    :param ti: The task instance.
    :param key: The XCom's key.
    :raises RuntimeError: When there is no supervisor, or it answers with an error.
    """
    index = -1 if ti.map_index is None else ti.map_index
    XCom.delete(key=key, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=index)


def read_xcom(ti_key: TaskInstanceKey, key: str) -> Any:
    """
    Read one XCom of a task instance, in any process; None where there is none.

    Source: ``sdk/bases/xcom.py``, line 184; the module that has the configured backend is not public. Since: before
    3.1. It can go when ``airflow.sdk`` has it.
    """
    return XCom.get_value(ti_key=ti_key, key=key)
