# SPDX-License-Identifier: Apache-2.0
"""
As much of COS as GET Object needs, over real HTTP: objects by bucket and key, signatures that are verified, errors in
the service's own XML.

GET Object: https://cloud.tencent.com/document/product/436/7753; signature:
https://cloud.tencent.com/document/product/436/7778
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

SECRET_ID = "AKIDcos000000000000000000000000000000"
SECRET_KEY = "cos-secret-key"


class SmallCos:
    """
    What the server holds, and how it answers.

    :param secrets: SecretKeys by SecretId.
    """

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets
        self.objects: dict[tuple[str, str], bytes] = {}
        self.encoded: set[tuple[str, str]] = set()
        self.failures: list[int] = []
        """HTTP statuses of the next answers."""
        self.forbidden = False
        self.asked: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        self.sent = 0
        """Bytes of bodies that were taken off this server's hands."""
        self.endpoint = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cos: SmallCos

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        cos, key = self.cos, unquote(self.path[1:])
        bucket = self.headers["Host"].partition(".")[0]
        cos.asked.append((bucket, key))
        cos.tokens.append(self.headers.get("x-cos-security-token"))
        if cos.failures:
            self._fail(cos.failures.pop(0), "InternalError")
        elif not self._is_signed():
            self._fail(403, "SignatureDoesNotMatch")
        elif cos.forbidden:
            self._fail(403, "AccessDenied")
        elif not any(bucket == known for known, _ in cos.objects):
            self._fail(404, "NoSuchBucket")
        elif (bucket, key) not in cos.objects:
            self._fail(404, "NoSuchKey")
        else:
            self._send(bucket, key)

    def _send(self, bucket: str, key: str) -> None:
        content = self.cos.objects[bucket, key]
        is_encoded = (bucket, key) in self.cos.encoded
        if is_encoded:
            content = gzip.compress(content)
        self.send_response(200)
        if is_encoded:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            for start in range(0, len(content), 65536):
                self.wfile.write(content[start : start + 65536])
                self.cos.sent += len(content[start : start + 65536])
        except OSError:
            self.close_connection = True

    def _fail(self, status: int, code: str) -> None:
        body = (
            f"<?xml version='1.0' encoding='utf-8' ?><Error><Code>{code}</Code><Message>no</Message>"
            f"<Resource>{self.path}</Resource><RequestId>r</RequestId><TraceId>t</TraceId></Error>"
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _is_signed(self) -> bool:
        given = dict(parse_qsl(self.headers.get("Authorization", ""), keep_blank_values=True))
        secret = self.cos.secrets.get(given.get("q-ak", ""))
        if secret is None:
            return False
        names = given["q-header-list"].split(";")
        headers = "&".join(f"{name}={quote(self.headers[name], safe='-_.~')}" for name in names)
        text = f"get\n{unquote(self.path)}\n\n{headers}\n"
        sign_key = hmac.new(secret.encode(), given["q-key-time"].encode(), hashlib.sha1).hexdigest()
        to_sign = f"sha1\n{given['q-sign-time']}\n{hashlib.sha1(text.encode()).hexdigest()}\n"
        signature = hmac.new(sign_key.encode(), to_sign.encode(), hashlib.sha1).hexdigest()
        return "host" in names and hmac.compare_digest(signature, given["q-signature"])


@contextmanager
def running_cos(secrets: dict[str, str] | None = None) -> Iterator[SmallCos]:
    """Serve on the loopback as long as the context lasts."""
    cos = SmallCos(secrets or {SECRET_ID: SECRET_KEY})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cos": cos}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    cos.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cos
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
