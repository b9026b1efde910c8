# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import httpx

from devtools.airflow_stack.airflow_api import TokenAuth


def airflow(wants_token: bool, calls: list[str]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t1"})
        is_refused = wants_token and request.headers.get("Authorization") != "Bearer t1"
        return httpx.Response(401 if is_refused else 200)

    transport = httpx.MockTransport(answer)
    return httpx.Client(base_url="http://airflow", transport=transport, auth=TokenAuth("http://airflow"))


def test_a_token_is_asked_for_once_where_it_is_wanted() -> None:
    calls: list[str] = []
    with airflow(wants_token=True, calls=calls) as client:
        assert client.get("/a").status_code == 200
        assert client.post("/b", json={"x": 1}).status_code == 200
    assert calls == ["/a", "/auth/token", "/a", "/b"]


def test_no_token_is_asked_for_where_none_is_wanted() -> None:
    calls: list[str] = []
    with airflow(wants_token=False, calls=calls) as client:
        assert client.get("/a").status_code == 200
    assert calls == ["/a"]
