# SPDX-License-Identifier: Apache-2.0
"""Where a job's value stands, and what is no value."""

from __future__ import annotations

import pytest

from airflow_batch_events.events.outcomes.job_result import (
    CosPath,
    json_value,
    last_line,
    path_for,
    result_from_of,
    result_path_of,
)
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.limits import MAX_COS_KEY, MAX_LOG_BYTES

BUCKET = "results-1250000000"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"cos://{BUCKET}/a/b.json", (BUCKET, None, "a/b.json")),
        (f"cos://{BUCKET}.cos.ap-guangzhou.myqcloud.com/b.json", (BUCKET, "ap-guangzhou", "b.json")),
        (f"cos://{BUCKET}.cos.ap-singapore.tencentcos.cn/각 b", (BUCKET, "ap-singapore", "각 b")),
    ],
)
def test_paths_are_read_as_the_batch_api_writes_them(path, found):
    assert tuple(CosPath.parse(path)) == found


@pytest.mark.parametrize(
    "path",
    [
        f"cos://{BUCKET}",
        f"cos://{BUCKET}/",
        f"cos://{BUCKET}//a",
        f"cos://{BUCKET}/folder/",
        "cos://results/a",
        f"cfs://{BUCKET}/a",
        f"https://{BUCKET}.cos.ap-guangzhou.myqcloud.com/a",
        f"cos://{BUCKET}.evil.example.com/a",
        f"cos://{BUCKET}/a\nb",
        f"cos://{BUCKET}/" + "k" * (MAX_COS_KEY + 1),
        f"cos://{BUCKET}/${{BATCH_TASK_NAME}}",
        f"cos://{BUCKET}/${{BATCH_JOB_ID",
        7.5,
        "",
    ],
)
def test_other_paths_are_refused_by_name(path):
    with pytest.raises(ParameterError, match=r"^result_path"):
        result_path_of("result_path", path)


EXAMPLES = (
    "such as cos://results-1250000000.cos.ap-guangzhou.myqcloud.com/${BATCH_JOB_ID}.json, "
    "or cos://results-1250000000/..."
)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("cos://results/a", f": 'cos://results/a' is no object in COS, {EXAMPLES}"),
        ("x" * 301, f": '{'x' * 297}...' is no object in COS, {EXAMPLES}"),
        (f"cos://{BUCKET}/" + "각" * 284, ": its key has more than 850 bytes, which COS does not take"),
        (f"cos://{BUCKET}/${{A}}", " has ${A}, where only ${BATCH_JOB_ID} has a value"),
        (f"cos://{BUCKET}/${{{'A' * 98}}}", f" has ${{{'A' * 95}..., where only ${{BATCH_JOB_ID}} has a value"),
    ],
    ids=["no bucket", "long path", "long key", "placeholder", "long placeholder"],
)
def test_what_is_wrong_with_a_path_is_told(path, why):
    with pytest.raises(ParameterError) as refused:
        result_path_of("result_path", path)
    assert str(refused.value) == f"result_path{why}"


def test_a_key_of_all_the_bytes_that_cos_takes_is_one():
    assert CosPath.parse(f"cos://{BUCKET}/" + "k" * MAX_COS_KEY).key == "k" * MAX_COS_KEY


def test_the_job_s_id_takes_its_place_in_the_path():
    path = result_path_of("result_path", f"cos://{BUCKET}/${{BATCH_JOB_ID}}/out.json")
    assert path_for(path, "job-97zcl3wt").key == "job-97zcl3wt/out.json"


@pytest.mark.parametrize(
    ("stdout", "line"),
    [
        ('log\n{"a": 1}\n', '{"a": 1}'),
        ("3", "3"),
        ("one\r\ntwo\r\n\r\n  \n", "two"),
        ("10%\r100%\r[1]\n", "[1]"),
        ("x" * (2 * MAX_LOG_BYTES) + "\n[2]\n", "[2]"),
        ("y" * (MAX_LOG_BYTES - 1), "y" * (MAX_LOG_BYTES - 1)),
    ],
)
def test_the_last_line_that_is_not_blank_counts(stdout, line):
    assert last_line(stdout) == line


def test_a_line_whose_beginning_is_not_shown_is_none():
    with pytest.raises(ValueError, match="longer than the 2048 bytes"):
        last_line("1" * MAX_LOG_BYTES)
    with pytest.raises(ValueError, match=r"^nothing stands there$"):
        last_line(" \n\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{'a': 1}", "no JSON: .* at character 2"),
        ("", "no JSON"),
        ("NaN", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        ('{"a": 1, "a": 2}', "^it has a key twice in one object$"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\x00", "no JSON"),
        ("9" * 5_000, "digits"),
        ("1 2", "no JSON"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_no_json_is_refused_without_a_word_of_it(text, why):
    with pytest.raises(ValueError, match=why) as refused:
        json_value(text)
    assert "{'a'" not in str(refused.value)


def test_json_of_every_kind_is_a_value():
    assert json_value('{"a": [1, 2.5, null, true, "각\\u2028"]}') == {"a": [1, 2.5, None, True, "각\u2028"]}
    assert json_value(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("stdout", "'stdout'"),
        ("STDOUT-JSON", "'STDOUT-JSON'"),
        ("x" * 101, f"'{'x' * 97}...'"),
        (True, "a bool"),
        (None, "None"),
        (["stdout-json"], "a list"),
    ],
)
def test_only_stdout_json_can_be_asked_for(value, shown):
    assert result_from_of("result", "stdout-json") == "stdout-json"
    with pytest.raises(ParameterError) as refused:
        result_from_of("result", value)
    assert str(refused.value) == f"result is {shown}, must be 'stdout-json'; a value in COS is named by result_path"
