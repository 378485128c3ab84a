"""proxies.py: who the client is, is believed only from whom the project trusts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from headrace.base.errors import UsageError
from headrace.serve.proxies import Client, client_of, trusted_proxies

TRUSTED = trusted_proxies(["10.0.0.0/8", "fd00::/8", "192.0.2.7"])
HEADERS = {
    "for": b"x-forwarded-for",
    "proto": b"x-forwarded-proto",
    "host": b"x-forwarded-host",
    "forwarded": b"forwarded",
    "asked": b"host",
}


def scope(peer: str | None = "10.0.0.1", scheme: str = "http", **headers: str) -> Scope:
    pairs = [(HEADERS[name], value.encode("latin-1")) for name, value in headers.items()]
    client = None if peer is None else (peer, 50_000)
    return {"type": "http", "client": client, "scheme": scheme, "headers": pairs}


def address(peer: str | None = "10.0.0.1", **headers: str) -> str:
    return client_of(scope(peer, **headers), TRUSTED).address


def test_without_trusted_proxies_nothing_is_believed() -> None:
    asked = scope(
        "10.0.0.1",
        **{"for": "203.0.113.9", "proto": "https", "host": "evil.example", "asked": "api.example"},
    )
    assert client_of(asked, ()) == Client("10.0.0.1", secure=False, host="api.example")


def test_somebody_who_is_no_proxy_is_not_believed() -> None:
    asked = scope("203.0.113.1", proto="https", host="evil.example", forwarded="for=1.2.3.4")
    assert client_of(asked, TRUSTED) == Client("203.0.113.1", secure=False, host="")


def test_a_proxy_says_who_it_has_the_request_from() -> None:
    asked = scope(
        **{"for": "203.0.113.9", "proto": "https", "host": "api.example:8443", "asked": "inner"}
    )
    assert client_of(asked, TRUSTED) == Client("203.0.113.9", secure=True, host="api.example:8443")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:51234", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        # The client has made up what stands before the address that the proxy has seen.
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
        ("\x00, <script>, 203.0.113.9", "203.0.113.9"),
        # Two proxies of ours.
        ("1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, fd00::2, 192.0.2.7", "203.0.113.9"),
        # Nobody but proxies.
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # What is no address says nothing of who was before it.
        ("203.0.113.9, unknown", "10.0.0.1"),
        ("203.0.113.9, 10.0.0.2, localhost", "10.0.0.1"),
        ("203.0.113.9, bad, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
        (",", "10.0.0.1"),
        ("203.0.113.9,", "10.0.0.1"),
        ("203.0.113.9/32", "10.0.0.1"),
        ("0203.0.113.9", "10.0.0.1"),
        ("3405803785", "10.0.0.1"),
        ("fe80::1%eth0", "10.0.0.1"),
        ("203.0.113.9:port", "10.0.0.1"),
        (", ".join(["203.0.113.9"] * 33), "10.0.0.1"),
    ],
)
def test_x_forwarded_for_is_read_from_its_end(given: str, expected: str) -> None:
    assert address(**{"for": given}) == expected


def test_two_headers_are_one_list() -> None:
    asked = scope()
    asked["headers"] = [
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"x-forwarded-for", b"203.0.113.9, 10.0.0.2"),
    ]
    assert client_of(asked, TRUSTED).address == "203.0.113.9"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("for=203.0.113.9;proto=https;host=api.example", ("203.0.113.9", True, "api.example")),
        ('For="[2001:db8::1]:4711";PROTO=HTTPS', ("2001:db8::1", True, "")),
        ('for="203.0.113.9:80", for=10.0.0.2;proto=https', ("203.0.113.9", True, "")),
        ("for=1.2.3.4;proto=https, for=203.0.113.9;proto=http", ("203.0.113.9", False, "")),
        ('for=203.0.113.9;host="a\\.example"', ("203.0.113.9", False, "a.example")),
        ("for=_hidden", ("10.0.0.1", False, "")),
        ("proto=https", ("10.0.0.1", True, "")),
        # Malformed: nothing of it counts.
        ("for=203.0.113.9;proto", ("10.0.0.1", False, "")),
        ("for=203.0.113.9;for=1.2.3.4", ("10.0.0.1", False, "")),
        ('for="203.0.113.9', ("10.0.0.1", False, "")),
        ("for=[2001:db8::1]", ("10.0.0.1", False, "")),
        ('for="1.2.3.4, for=203.0.113.9', ("10.0.0.1", False, "")),
    ],
)
def test_forwarded_is_read_as_the_standard_says(
    given: str, expected: tuple[str, bool, str]
) -> None:
    assert client_of(scope(forwarded=given), TRUSTED) == Client(*expected)


def test_the_standards_header_counts_alone_where_both_are() -> None:
    assert address(**{"for": "1.2.3.4", "forwarded": "for=203.0.113.9"}) == "203.0.113.9"


@pytest.mark.parametrize(
    ("given", "scheme", "expected"),
    [
        ("https", "http", True),
        ("HTTPS", "http", True),
        ("http", "https", False),
        ("https, http", "http", False),
        ("wss", "http", False),
        ("", "https", True),
    ],
)
def test_the_scheme_is_what_the_nearest_proxy_says(given: str, scheme: str, expected: bool) -> None:
    assert client_of(scope(scheme=scheme, proto=given), TRUSTED).secure is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("API.Example", "api.example"),
        ("api.example:8443", "api.example:8443"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("evil.example/path", "inner"),
        ("user@evil.example", "inner"),
        ("evil.example\r\nx: y", "inner"),
        ("-", "inner"),
    ],
)
def test_a_host_that_is_none_is_not_taken(given: str, expected: str) -> None:
    assert client_of(scope(host=given, asked="inner"), TRUSTED).host == expected


def test_two_hosts_are_none() -> None:
    asked = scope()
    asked["headers"] = [(b"host", b"one"), (b"host", b"other")]
    assert client_of(asked, ()).host == ""


def test_a_client_without_an_address_is_nobody() -> None:
    assert client_of(scope(None, **{"for": "203.0.113.9"}), TRUSTED).address == ""


@given(
    peer=st.sampled_from(["10.0.0.1", "203.0.113.1", "", "unix"]),
    name=st.sampled_from(["for", "proto", "host", "forwarded", "asked"]),
    value=st.text(st.characters(max_codepoint=255), max_size=200),
)
def test_whatever_is_sent_is_read_without_an_error(peer: str, name: str, value: str) -> None:
    found = client_of(scope(peer, **{name: value}), TRUSTED)
    if peer == "203.0.113.1":
        assert found.address == peer


def test_a_proxy_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(UsageError) as raised:
        trusted_proxies(["10.0.0.1/8"])
    assert str(raised.value) == (
        "headrace.toml: `trusted_proxies` has '10.0.0.1/8'; expected an address or a network"
        " without bits beyond its length, such as `10.0.0.1` or `10.0.0.0/8`"
    )
