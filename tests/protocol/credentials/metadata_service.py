# SPDX-License-Identifier: Apache-2.0
"""A machine's metadata service, as machines of the cloud have it."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "never-show-this"


class Metadata:
    """A machine's metadata service: the name of its role, and the role's present key."""

    def __init__(self) -> None:
        self.role = ""
        self.number = 1
        self.lasts = 3600
        self.asked = 0
        self.hold = threading.Event()
        self.hold.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked += 1
                service.hold.wait(20)
                is_key = self.path.endswith(f"/{service.role}")
                body = json.dumps(service.key()) if is_key else service.role
                self.send_response(200 if service.role else 404)
                self.end_headers()
                self.wfile.write(body.encode() if service.role else b"")

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def key(self) -> dict[str, object]:
        return {
            "Code": "Success",
            "TmpSecretId": f"AKIDmachine{self.number}",
            "TmpSecretKey": SECRET,
            "Token": f"token-{self.number}",
            "ExpiredTime": int(time.time()) + self.lasts,
        }
