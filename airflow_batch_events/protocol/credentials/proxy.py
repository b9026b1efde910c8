# SPDX-License-Identifier: Apache-2.0
"""
Which proxy leads to an address: the connection's, or else the environment's, found here for both HTTP stacks.

The grammar is strict, because the libraries read a URL with an unescaped character each in another way, and repeat
what they could not read. Behind :func:`parse_proxy` no URL holds a password any more: user and password travel apart.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.credentials.settings import is_host, is_port, text_of

# RFC 3986, without the colon in a user's name.
_PART = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_PROXY = re.compile(
    rf"(?P<scheme>https?|socks5h?)://(?:(?P<user>{_PART})(?::(?P<password>(?:{_PART}|:)*))?@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Proxy:
    """
    A proxy, and who we are there.

    :param scheme: ``http``, ``https``, ``socks5`` or ``socks5h``.
    :param address: Host and perhaps port, for the library and for messages.
    :param user: The user's name as it is sent; None for none.
    :param password: The password as it is sent.
    :param written: The password as it was written, percent-encoded.
    """

    scheme: str
    address: str
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)
    written: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Where it is, without user and password."""
        return f"{self.scheme}://{self.address}"

    @property
    def headers(self) -> dict[str, str]:
        """What tells an HTTP proxy who we are."""
        if self.user is None:
            return {}
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {credentials}"}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What has to be masked."""
        return tuple(filter(None, {self.password, self.written}))


def parse_proxy(source: str, name: str, value: object) -> Proxy:
    """
    Read a proxy's URL.

    :param source: Where the setting comes from, for the message.
    :param name: The field.
    :param value: ``http://``, ``https://``, ``socks5://`` or ``socks5h://``, perhaps ``user:password@``, a host and
        perhaps a port.
    :raises ConfigurationError: For anything else; it quotes nothing, because a password may be anywhere in it.
    """
    found = _PROXY.fullmatch(text_of(source, name, value))
    if found is not None and is_host(found["host"]) and is_port(found["port"]):
        try:
            user, password = (unquote(found[part] or "", errors="strict") for part in ("user", "password"))
        except UnicodeDecodeError:
            user = ":"
        if ":" not in user:
            return Proxy(
                scheme=found["scheme"].lower(),
                address=found["host"].lower() + (f":{int(found['port'])}" if found["port"] else ""),
                user=None if found["user"] is None else user,
                password=password,
                written=found["password"] or "",
            )
    raise ConfigurationError(
        f"{source}: {name} must look like http://host:port (or https://, socks5://, socks5h://), with user:password@ "
        f"before the host if need be; percent-encode # / ? [ @ % and blanks in the password"
    )


def proxy_for(source: str, given: str | None, endpoint: str) -> Proxy | None:
    """
    Return the proxy on the way to an address.

    :param source: Where the settings come from, for messages.
    :param given: The proxy of the settings; None leaves the choice to ``http_proxy``, ``https_proxy``, ``all_proxy``
        and ``no_proxy`` of the environment.
    :param endpoint: The address.
    :raises ConfigurationError: When the proxy cannot be read.
    """
    if given is not None:
        return parse_proxy(source, "proxy", given)
    target, proxies = urlsplit(endpoint), getproxies()
    name = target.scheme if proxies.get(target.scheme) else "all"
    url = proxies.get(name)
    # An IPv6 address stands there with or without its brackets.
    if not url or proxy_bypass(target.netloc) or proxy_bypass(target.hostname or ""):
        return None
    return parse_proxy(source, f"{name}_proxy of the environment", url if "://" in url else f"http://{url}")


def secrets_of_environment() -> Iterator[str]:
    """Return the passwords of the environment's proxies; one that cannot be read is not used either."""
    for name, url in getproxies().items():
        if name in ("http", "https", "all") and "@" in url:
            try:
                yield from parse_proxy("", name, url if "://" in url else f"http://{url}").secrets
            except ConfigurationError:
                continue
