"""Where headrace may connect to: odd URLs and odd addresses, each with its verdict."""

from __future__ import annotations

import pytest

from headrace.auth.outbound.addresses import Destination, destination_of, refusal

PUBLIC = Destination("https", "login.example", 443)
PRIVATE = Destination("https", "login.intranet", 443, private=True)
LOOPBACK = Destination("http", "localhost", 8080)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://login.example", "login.example", 443),
        ("https://login.example/", "login.example", 443),
        ("https://login.example:8443/keys?p=a", "login.example", 8443),
        ("https://203.0.114.9/keys", "203.0.114.9", 443),
        ("https://[2600::1]/keys", "2600::1", 443),
        ("http://localhost:9000/", "localhost", 9000),
        ("http://127.0.0.1", "127.0.0.1", 80),
        ("http://[::1]:80", "::1", 80),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example", 443),
    ],
)
def test_a_configured_url_opens_its_scheme_host_and_port(url: str, host: str, port: int) -> None:
    assert destination_of(url) == Destination(url.partition(":")[0], host, port)


USUAL = "a host name in lower case, or an address in its usual form"
SAFE = "`https://`; `http://` is for `localhost` and addresses of loopback"
PLAIN = "a URL such as `https://login.example/keys`, without a user in it"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://login.example/", SAFE),
        ("http://10.0.0.1/", SAFE),
        ("http://localhost.example/", SAFE),
        ("http://127.0.0.1.nip.example/", SAFE),
        ("https://2130706433/", USUAL),
        ("https://0x7f000001/", USUAL),
        ("https://0x7f.0.0.1/", USUAL),
        ("https://0177.0.0.1/", USUAL),
        ("https://127.1/", USUAL),
        ("https://127.0.0.01/", USUAL),
        ("https://0/", USUAL),
        ("https://login.example.0x7f/", USUAL),
        ("https://login.example./", USUAL),
        ("https://login..example/", USUAL),
        ("https://-login.example/", USUAL),
        ("https://[0:0:0:0:0:0:0:1]/", USUAL),
        ("https://[::ffff:127.0.0.1]/", USUAL),
        ("https://[::ffff:7f00:1]/", USUAL),
        ("https://[fe80::1%25eth0]/", PLAIN),
        ("https://LOGIN.example/", PLAIN),
        ("https://bücher.example/", PLAIN),
        ("https://１２７.0.0.1/", PLAIN),
        ("https://user@login.example/", PLAIN),
        ("https://user:pass@login.example/", PLAIN),
        ("https://login.example\\@evil.example/", PLAIN),
        ("https://login.example#@evil.example/", PLAIN),
        ("https://login.example/#fragment", PLAIN),
        ("https://login.example /", PLAIN),
        ("https://login.example/\n", PLAIN),
        ("https:///keys", PLAIN),
        ("https:login.example", PLAIN),
        ("//login.example", PLAIN),
        ("ftp://login.example/", PLAIN),
        ("file:///etc/passwd", PLAIN),
        ("gopher://login.example/", PLAIN),
        ("unix:///run/docker.sock", PLAIN),
        ("HTTPS://login.example/", PLAIN),
        ("https://login.example:0/", "a port from 1 to 65535"),
        ("https://login.example:65536/", "a port from 1 to 65535"),
        ("https://login.example:443443443/", PLAIN),
        ("https://login.example/" + "a" * 2048, PLAIN),
        ("", PLAIN),
    ],
)
def test_a_url_that_two_parsers_may_read_in_two_ways_is_refused(url: str, expected: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the text is the point)
        destination_of(url)
    assert str(caught.value) == expected


NOT_PUBLIC = "it is not public"
IS_LOOPBACK = "it is of loopback"
IS_PRIVATE = "it is of a private network"


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("203.0.114.9", "", ""),
        ("8.8.8.8", "", ""),
        ("100.63.255.255", "", ""),
        ("100.128.0.0", "", ""),
        ("172.32.0.1", "", ""),
        ("2600::1", "", ""),
        ("64:ff9b::808:808", "", ""),
        ("10.1.2.3", IS_PRIVATE, ""),
        ("172.16.0.1", IS_PRIVATE, ""),
        ("172.31.255.255", IS_PRIVATE, ""),
        ("192.168.1.1", IS_PRIVATE, ""),
        ("100.64.0.1", IS_PRIVATE, ""),
        ("fd12::1", IS_PRIVATE, ""),
        ("::ffff:10.1.2.3", IS_PRIVATE, ""),
        ("64:ff9b::a01:203", IS_PRIVATE, ""),
        ("127.0.0.1", IS_LOOPBACK, IS_LOOPBACK),
        ("127.255.255.254", IS_LOOPBACK, IS_LOOPBACK),
        ("::1", IS_LOOPBACK, IS_LOOPBACK),
        ("::ffff:127.0.0.1", IS_LOOPBACK, IS_LOOPBACK),
        ("64:ff9b::7f00:1", IS_LOOPBACK, IS_LOOPBACK),
        ("0.0.0.0", NOT_PUBLIC, NOT_PUBLIC),
        ("0.1.2.3", NOT_PUBLIC, NOT_PUBLIC),
        ("::", NOT_PUBLIC, NOT_PUBLIC),
        ("::ffff:0.0.0.0", NOT_PUBLIC, NOT_PUBLIC),
        ("169.254.169.254", NOT_PUBLIC, NOT_PUBLIC),
        ("::ffff:169.254.169.254", NOT_PUBLIC, NOT_PUBLIC),
        ("64:ff9b::a9fe:a9fe", NOT_PUBLIC, NOT_PUBLIC),
        ("64:ff9b:1::a9fe:a9fe", NOT_PUBLIC, NOT_PUBLIC),
        ("100.100.100.200", NOT_PUBLIC, NOT_PUBLIC),
        ("fd00:ec2::254", NOT_PUBLIC, NOT_PUBLIC),
        ("fe80::1", NOT_PUBLIC, NOT_PUBLIC),
        ("fec0::1", NOT_PUBLIC, NOT_PUBLIC),
        ("ff02::1", NOT_PUBLIC, NOT_PUBLIC),
        ("224.0.0.1", NOT_PUBLIC, NOT_PUBLIC),
        ("240.0.0.1", NOT_PUBLIC, NOT_PUBLIC),
        ("255.255.255.255", NOT_PUBLIC, NOT_PUBLIC),
        ("192.0.0.8", NOT_PUBLIC, NOT_PUBLIC),
        ("192.0.2.1", NOT_PUBLIC, NOT_PUBLIC),
        ("192.88.99.1", NOT_PUBLIC, NOT_PUBLIC),
        ("198.18.0.1", NOT_PUBLIC, NOT_PUBLIC),
        ("203.0.113.9", NOT_PUBLIC, NOT_PUBLIC),
        ("2001:db8::1", NOT_PUBLIC, NOT_PUBLIC),
        ("2001::1", NOT_PUBLIC, NOT_PUBLIC),
        ("2002:7f00:1::", NOT_PUBLIC, NOT_PUBLIC),
        ("2002:808:808::", NOT_PUBLIC, NOT_PUBLIC),
        ("::7f00:1", NOT_PUBLIC, NOT_PUBLIC),
        ("100::1", NOT_PUBLIC, NOT_PUBLIC),
        ("fe80::1%eth0", "it is no address", "it is no address"),
        ("2130706433", "it is no address", "it is no address"),
        ("0x7f000001", "it is no address", "it is no address"),
        ("0177.0.0.1", "it is no address", "it is no address"),
        ("login.example", "it is no address", "it is no address"),
        ("", "it is no address", "it is no address"),
    ],
)
def test_an_address_is_refused_unless_it_is_of_the_network_that_was_meant(
    address: str, public: str, private: str
) -> None:
    assert (refusal(address, PUBLIC), refusal(address, PRIVATE)) == (public, private)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_a_host_that_names_this_machine_leads_to_this_machine(address: str) -> None:
    assert refusal(address, LOOPBACK) == ""


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::"])
def test_a_host_that_names_this_machine_leads_nowhere_else(address: str) -> None:
    assert refusal(address, LOOPBACK) == "it is not of loopback"
