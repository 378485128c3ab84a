"""Where headrace may connect to: takes a configured URL and resolved addresses, says what is wrong.

It knows no HTTP: `outbound` makes the requests, and the settings are read with the same rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_PORTS = {"https": 443, "http": 80}
_MAX_URL = 2048
# No user, no fragment, no backslash, no character that two parsers may read in two ways.
_URL = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# Such a last label is read as a number: 127.1, 2130706433, 0x7f000001 and 0177.0.0.1 are loopback.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# By the registries of special-purpose addresses, written out: what the standard library takes for
# private differs between versions of Python.
_NEVER = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "100.100.100.200/32",  # the metadata of a cloud's machine, in a private network
        ),
    )
)
_PRIVATE = tuple(
    map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"))
)
_LOOPBACK = IPv4Network("127.0.0.0/8")
_PUBLIC_6 = IPv6Network("2000::/3")
_NEVER_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # Teredo and other protocols
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
            "fd00:ec2::/32",  # the metadata of a cloud's machine, in a private network
        ),
    )
)
_PRIVATE_6 = IPv6Network("fc00::/7")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Destination:
    """A scheme, host and port that may be asked.

    `private` says whether its addresses may be those of a private network.
    """

    scheme: str
    host: str
    port: int
    private: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether its host names this machine, literally."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or an address of loopback, as text."""
    address = _literal(host)
    return host == "localhost" or (address is not None and _is_loopback(address))


def destination_of(url: str, *, private: bool = False) -> Destination:
    """Where a configured URL leads.

    Raises:
        ValueError: why it leads nowhere that headrace asks; the words fit after "expected".
    """
    found = _URL.fullmatch(url) if len(url) <= _MAX_URL else None
    if found is None:
        raise ValueError("a URL such as `https://login.example/keys`, without a user in it")
    scheme, host = found[1], found[2].strip("[]")
    if not _is_host(host):
        raise ValueError("a host name in lower case, or an address in its usual form")
    if scheme == "http" and not is_loopback(host):
        raise ValueError("`https://`; `http://` is for `localhost` and addresses of loopback")
    port = int(found[3] or _PORTS[scheme])
    if not 0 < port < 2**16:
        raise ValueError("a port from 1 to 65535")
    return Destination(scheme, host, port, private)


def _is_host(host: str) -> bool:
    if _literal(host) is not None:
        return True
    labels = host.split(".")
    is_named = all(map(_LABEL.fullmatch, labels)) and len(host) <= 253
    return is_named and _NUMBER.fullmatch(labels[-1]) is None


def _literal(host: str) -> Address | None:
    """An address that is spelt in the one usual way."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    is_mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    return address if str(address) == host and not is_mapped else None


def refusal(address: str, destination: Destination) -> str:
    """Why headrace does not connect to an address of the destination's host; "" if it does."""
    try:
        # An address with a zone ("fe80::1%eth0") is one of a link; it is refused as unknown.
        seen = _unwrapped(ip_address(address))
    except ValueError:
        return "it is no address"
    if destination.is_loopback:
        return "" if _is_loopback(seen) else "it is not of loopback"
    if _is_loopback(seen):
        return "it is of loopback"
    if _is_private(seen):
        return "" if destination.private else "it is of a private network"
    return "" if _is_public(seen) else "it is not public"


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if not isinstance(address, IPv6Address):
        return address
    if address.scope_id is not None:
        raise ValueError("of a link")
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address


def _is_loopback(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address in _LOOPBACK
    return address == IPv6Address(1)


def _is_never(address: Address) -> bool:
    never = _NEVER if isinstance(address, IPv4Address) else _NEVER_6
    return any(address in network for network in never)


def _is_private(address: Address) -> bool:
    if _is_never(address):
        return False
    if isinstance(address, IPv6Address):
        return address in _PRIVATE_6
    return any(address in network for network in _PRIVATE)


def _is_public(address: Address) -> bool:
    if _is_never(address) or _is_loopback(address) or _is_private(address):
        return False
    return isinstance(address, IPv4Address) or address in _PUBLIC_6
