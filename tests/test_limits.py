# SPDX-License-Identifier: Apache-2.0
"""The table of the API's limits."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_batch_events import limits


def test_every_limit_names_its_page() -> None:
    source = Path(limits.__file__).read_text()
    table = re.findall(r'^([A-Z_]+) = .+\n"""([^"]+)"""', source, re.MULTILINE)
    assert {name for name, _ in table} == {name for name in vars(limits) if name.isupper()}
    pages = "https://cloud.tencent.com/document/", "https://www.tencentcloud.com/document/"
    assert [name for name, text in table if not any(page in text for page in pages)] == []
