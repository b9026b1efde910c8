# SPDX-License-Identifier: Apache-2.0
"""
Check single settings where they enter: one function for each kind of field.

Behind these functions nothing is checked again. Every error names where the setting comes from and the field, and
quotes nothing: secrets are pasted into the wrong field, too. Blanks at the ends are refused in every field alike.
"""

from __future__ import annotations

import ipaddress
import re

from airflow_batch_events.exceptions import ConfigurationError, CredentialsError

_KEY = re.compile(r"[!-~]+")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ENDPOINT = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?/?", re.I)
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.I)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_REGION, _MAX_HOST, _MAX_LABEL, _MAX_URL = 64, 253, 63, 1000


def text_of(source: str, name: str, value: object, error: type[ConfigurationError] = ConfigurationError) -> str:
    """
    Take a field that must be text.

    :param source: Where the setting comes from, for the message.
    :param name: The field.
    :param value: What it holds.
    :param error: What is raised.
    :raises ConfigurationError: For another type, and for blanks at the ends.
    """
    if not isinstance(value, str):
        raise error(f"{source}: {name} is of type {type(value).__name__} but must be text")
    if value != value.strip():
        raise error(f"{source}: {name} begins or ends with a blank or a line break, take it away")
    return value


def key_part(source: str, name: str, value: object) -> str:
    """
    Take a SecretId, a SecretKey or a session token, which all have to fit into a header.

    The parameters are those of :func:`text_of`.

    :raises CredentialsError: When it is missing or cannot be one.
    """
    if value is None or value == "":
        raise CredentialsError(f"{source} has no {name}: create a key in the console and fill it in")
    part = text_of(source, name, value, CredentialsError)
    if not _KEY.fullmatch(part):
        raise CredentialsError(
            f"{source}: {name} has a blank, a line break or a character other than ASCII in it: copy it again"
        )
    return part


def region_of(source: str, value: object) -> str:
    """
    Take a region's long name.

    :param source: Where the setting comes from, for the message.
    :param value: For example ``ap-guangzhou``.
    :raises ConfigurationError: When it is missing or cannot be one.
    """
    if value is None or value == "":
        raise ConfigurationError(f"{source} has no region: set it, for example ap-guangzhou")
    region = text_of(source, "region", value)
    if len(region) > _MAX_REGION or not _REGION.fullmatch(region):
        raise ConfigurationError(
            f"{source}: region must be the long name of a region, lower-case letters, digits and hyphens, for "
            f"example ap-guangzhou"
        )
    return region


def endpoint_of(source: str, name: str, value: object) -> str:
    """
    Take an address, and write it as it is signed: in lower case, without a slash at its end or the scheme's own port.

    The parameters are those of :func:`text_of`.

    :raises ConfigurationError: For anything but http or https, a host and perhaps a port.
    """
    text = text_of(source, name, value)
    found = _ENDPOINT.fullmatch(text)
    if found is None or not is_host(found["host"]) or not is_port(found["port"]):
        raise ConfigurationError(
            f"{source}: {name} must be http:// or https://, a host and perhaps a port (1 to 65535), and nothing else: "
            f"no user, no path; a host with other characters than ASCII in its form xn--..."
        )
    scheme, port = found["scheme"].lower(), found["port"]
    is_default = port is None or int(port) == _DEFAULT_PORTS[scheme]
    return f"{scheme}://{found['host'].lower()}" + ("" if is_default else f":{int(port)}")


def console_of(source: str, name: str, value: object) -> str:
    """
    Take the address of a console's pages, and write it without a slash at its end.

    The parameters are those of :func:`text_of`.

    :raises ConfigurationError: For anything but http or https, a host, perhaps a port and perhaps a path.
    """
    text = text_of(source, name, value)
    scheme, separator, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    try:
        address = endpoint_of(source, name, f"{scheme}{separator}{host}")
    except ConfigurationError:
        address = ""
    if not address or len(text) > _MAX_URL or not _PATH.fullmatch(f"{slash}{path}"):
        raise ConfigurationError(
            f"{source}: {name} must be http:// or https://, a host, perhaps a port and perhaps a path, and nothing "
            f"else: no user, no question mark, no #, and at most {_MAX_URL} characters"
        )
    return f"{address}{slash}{path}".rstrip("/")


def is_host(host: str) -> bool:
    """Whether it is a name that can be resolved, or an address."""
    if host.startswith("["):
        return _is_address(host[1:-1])
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # The libraries read other forms of an IPv4 address each in another way, or not at all.
        return _is_address(host)
    return len(host) <= _MAX_HOST and all(0 < len(label) <= _MAX_LABEL for label in labels)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_port(port: str | None) -> bool:
    """Whether it is a port, or left out."""
    return port is None or 1 <= int(port) <= 65535


def is_loopback(endpoint: str) -> bool:
    """Whether an address that was taken by :func:`endpoint_of` never leaves this machine."""
    host = endpoint.partition("://")[2]
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
