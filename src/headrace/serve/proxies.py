"""Trusted proxies: takes a request and whom to believe, gives who the client is and how it came.

A forwarded header is believed as far as each who wrote a part of it is a trusted proxy. So it is
read from its end: the last part is of the proxy that is connected here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

from starlette.types import Scope

from headrace.base.errors import UsageError
from headrace.serve.answering.answers import Headers

CLIENT_KEY = "headrace.client"
"""Where a scope has its `Client`."""

_Address: TypeAlias = "IPv4Address | IPv6Address"
Trusted: TypeAlias = "tuple[IPv4Network | IPv6Network, ...]"

# A chain of proxies is short; what is longer is made up.
_MOST_HOPS = 32
_SCHEMES = ("http", "https")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?"
)
_IPV4_WITH_PORT = re.compile(r"([0-9.]{7,15})(?::\d{1,5})?")
_IPV6_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?")
# A parameter of RFC 7239: a name, and a token or a quoted text.
_QUOTED = r'"((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)"'
_WORD = r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
_PAIR = re.compile(rf"\s*([A-Za-z]+)=(?:{_QUOTED}|{_WORD})\s*")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as far as those who are believed say.

    Attributes:
        address: without a port, IPv6 without brackets; "" when the server does not know it, as on
            a Unix socket.
        secure: whether it came by https.
        host: the host that it asked for, with its port; "" when it named none that is one.
    """

    address: str
    secure: bool
    host: str


@dataclass(frozen=True, slots=True)
class _Hop:
    """What one proxy says of whom it has the request from; "" for what it does not say."""

    address: str
    scheme: str = ""
    host: str = ""


def trusted_proxies(texts: Iterable[str]) -> Trusted:
    """Addresses and networks as texts: "10.0.0.1", "10.0.0.0/8", "fd00::/8".

    Raises:
        UsageError: one is neither.
    """
    found = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as exc:
            raise UsageError(
                f"headrace.toml: `trusted_proxies` has {text!r}; expected an address or a network"
                " without bits beyond its length, such as `10.0.0.1` or `10.0.0.0/8`"
            ) from exc
    return tuple(found)


def client_of(scope: Scope, trusted: Trusted) -> Client:
    """Who sends a request.

    Args:
        scope: of ASGI; what is connected must be in its `client`.
        trusted: whose forwarded headers are believed.
    """
    headers: Headers = scope["headers"]
    peer = scope.get("client")
    address = _plain(peer[0]) if peer else ""
    secure, host = scope.get("scheme") == "https", _host(_only(headers, b"host"))
    if not trusted or not _is_trusted(address, trusted):
        return Client(address, secure, host)
    for hop in reversed(_hops(headers)):
        if hop.scheme:
            secure = hop.scheme == "https"
        host = hop.host or host
        if not hop.address:
            # Something that is no address: nobody says who was before.
            break
        address = hop.address
        if not _is_trusted(address, trusted):
            break
    return Client(address, secure, host)


def _hops(headers: Headers) -> Sequence[_Hop]:
    """What the proxies say, the nearest one last; where the standard's header is, it counts."""
    if forwarded := _all(headers, b"forwarded"):
        return _standard(forwarded)
    addresses = [_plain(each) for each in _split(_all(headers, b"x-forwarded-for"))]
    schemes = [_scheme(each) for each in _split(_all(headers, b"x-forwarded-proto"))]
    hosts = [_host(each) for each in _split(_all(headers, b"x-forwarded-host"))]
    if len(addresses) > _MOST_HOPS:
        return ()
    # A proxy that sets a header anew leaves one value: it is the nearest one's.
    count = max(len(addresses), min(1, len(schemes)), min(1, len(hosts)))
    return [
        _Hop(*parts)
        for parts in zip(
            _padded(addresses, count), _padded(schemes, count), _padded(hosts, count), strict=True
        )
    ]


def _padded(values: list[str], count: int) -> list[str]:
    """The last `count` of some values, with "" before them where there are fewer."""
    return [*[""] * (count - len(values)), *values[len(values) - min(count, len(values)) :]]


def _standard(text: str) -> Sequence[_Hop]:
    """The parts of a Forwarded header (RFC 7239); none of one that is malformed."""
    hops: list[_Hop] = []
    for element in _quoted_split(text, ","):
        found: dict[str, str] = {}
        for pair in _quoted_split(element, ";"):
            match = _PAIR.fullmatch(pair)
            if match is None or match[1].lower() in found:
                return ()
            quoted, token = match[2], match[3]
            found[match[1].lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        hops.append(
            _Hop(
                _plain(found.get("for", "")),
                _scheme(found.get("proto", "")),
                _host(found.get("host", "")),
            )
        )
    return hops if len(hops) <= _MOST_HOPS else ()


def _quoted_split(text: str, at: str) -> list[str]:
    """A text in pieces, without looking into what is in quotes."""
    pieces, quoted, escaped = [""], False, False
    for character in text:
        if character == at and not quoted:
            pieces.append("")
            continue
        pieces[-1] += character
        if escaped:
            escaped = False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
    return pieces


def _plain(text: str) -> str:
    """An address without its port and brackets, as it is usually written; "" for what is none."""
    text = text.strip()
    match = _IPV4_WITH_PORT.fullmatch(text) or _IPV6_WITH_PORT.fullmatch(text)
    parsed = _address(match[1] if match else text)
    return str(parsed) if parsed is not None else ""


def _address(text: str) -> _Address | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return None
        # Of a socket that takes both: the network it is in is one of IPv4.
        return parsed.ipv4_mapped or parsed
    return parsed


def _is_trusted(address: str, trusted: Trusted) -> bool:
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _scheme(text: str) -> str:
    lower = text.strip().lower()
    return lower if lower in _SCHEMES else ""


def _host(text: str) -> str:
    text = text.strip()
    return text.lower() if _HOST.fullmatch(text) else ""


def _split(text: str) -> list[str]:
    return text.split(",") if text else []


def _all(headers: Headers, wanted: bytes) -> str:
    """All values of a header, in order, as one list."""
    return ",".join(value.decode("latin-1") for name, value in headers if name == wanted)


def _only(headers: Headers, wanted: bytes) -> str:
    """A header's value; "" when there is none, or more than one."""
    found = [value for name, value in headers if name == wanted]
    return found[0].decode("latin-1") if len(found) == 1 else ""
