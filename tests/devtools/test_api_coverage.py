# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from tencentcloud.batch.v20170312.batch_client import BatchClient
from tencentcloud.tdmq.v20200217.tdmq_client import TdmqClient

from devtools import api_coverage
from devtools.api_coverage import APIS, BEGIN, END, Api, compare, implemented_actions, main, table

GUIDE = Path(__file__).parents[2] / "docs" / "emulator.md"
COMMAND = "python -m devtools.api_coverage docs/emulator.md"

SOME = Api("some", "Some API", {"Things": ("MakeThing", "TakeThing"), "Rest": ("Rest",)})


@pytest.mark.parametrize("one", compare(implemented_actions()), ids=lambda one: one.api.name)
def test_every_documented_action_is_there(one: api_coverage.Coverage) -> None:
    assert one.missing == set()
    assert one.undocumented == set()


def actions_of(client: type) -> set[str]:
    """Return the actions that a client of the vendor's SDK has: its public methods, which are named as they are."""
    return {name for name, member in vars(client).items() if inspect.isfunction(member) and not name.startswith("_")}


def test_every_action_of_the_sdk_is_in_the_tables() -> None:
    assert actions_of(BatchClient) == api_coverage.BATCH.actions
    for_cmq = {action for action in actions_of(TdmqClient) if "Cmq" in action or "DeadLetter" in action}
    # Documented on older pages, and withdrawn from the SDK since.
    assert api_coverage.TDMQ.actions - for_cmq == {"DescribeCmqDeadLetterSourceQueues"}
    assert for_cmq <= api_coverage.TDMQ.actions


def test_no_action_is_documented_twice() -> None:
    for api in APIS:
        assert len(api.actions) == sum(map(len, api.groups.values()))


def test_the_guide_shows_the_table_of_today(tmp_path: Path) -> None:
    written = tmp_path / "emulator.md"
    written.write_text(GUIDE.read_text(encoding="utf-8"), encoding="utf-8")
    assert main([str(written)]) == 0
    assert written.read_text(encoding="utf-8") == GUIDE.read_text(encoding="utf-8"), f"run: {COMMAND}"


def test_a_missing_action_is_counted_and_named() -> None:
    (one,) = compare({"some": {"MakeThing", "Rest", "Invented"}}, [SOME])
    assert one.missing == {"TakeThing"}
    assert one.undocumented == {"Invented"}
    shown = table([one])
    assert "| Some API | 3 | 2 |" in shown
    assert "| Things | `MakeThing` | `TakeThing` |" in shown
    assert "Invented" not in shown


def test_an_api_that_is_not_there() -> None:
    (one,) = compare({}, [SOME])
    assert one.missing == SOME.actions


def test_a_missing_action_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(api_coverage, "implemented_actions", dict)
    guide = tmp_path / "guide.md"
    guide.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main([str(guide)]) == 1
    assert "SubmitJob" in capsys.readouterr().err
    assert guide.read_text().startswith(f"before\n{BEGIN}\n\n| API |")
    assert guide.read_text().endswith(f"\n\n{END}\nafter\n")


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{END}\n{BEGIN}", f"{BEGIN}{END}{END}"])
def test_a_guide_without_its_marks_is_left_as_it_is(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text(text)
    assert main([str(guide)]) == 2
    assert guide.read_text() == text
    assert BEGIN in capsys.readouterr().err


def test_the_command_says_how_it_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere.md")]) == 2
    assert "nowhere.md" in capsys.readouterr().err
