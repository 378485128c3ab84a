"""forgery.py: what changes something by a browser's cookie has come from a page of that session."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Scope

from headrace.serve.answering.problems import Refused
from headrace.serve.forgery import (
    form_fields,
    own_origin,
    page_token,
    require_own_page,
    require_unforged,
)
from headrace.serve.messages import read_body

COOKIE = "c" * 43
TOKEN = page_token(COOKIE)
OWN = "https://shop.example"
JSON = {"content-type": "application/json", "content-length": "2"}
FORM = {"content-type": "application/x-www-form-urlencoded", "content-length": "9"}


def scope_of(headers: dict[str, str]) -> Scope:
    pairs = [(name.encode(), value.encode("utf-8")) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "scheme": "https", "headers": pairs}


def checked(headers: dict[str, str], body: bytes = b"{}") -> int | bytes:
    """The status of the refusal, or the body that can be read afterwards."""
    sent = [body]

    async def receive() -> Message:
        return {"type": "http.request", "body": sent.pop(), "more_body": False}

    async def check() -> bytes:
        after = await require_unforged(scope_of(headers), receive, COOKIE, OWN)
        return await read_body(after, 1000)

    try:
        return asyncio.run(check())
    except Refused as refused:
        return refused.answer.status


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"origin": OWN}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": OWN}, True),
        # A form of a page that sends no referrer.
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://shop.example"}, False),
        ({"origin": "https://shop.example:8443"}, False),
        ({"origin": "https://shop.example.evil.example"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": f"{OWN}, https://evil.example"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site", "origin": OWN}, False),
        ({"referer": f"{OWN}/console"}, False),
    ],
)
def test_a_request_is_of_our_page_when_its_browser_says_so(
    headers: dict[str, str], is_own: bool
) -> None:
    given = {**JSON, "x-page-token": TOKEN, **headers}
    assert checked(given) == (b"{}" if is_own else 403)
    if is_own:
        require_own_page(scope_of(headers), OWN)
    else:
        with pytest.raises(Refused):
            require_own_page(scope_of(headers), OWN)


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({**JSON, "x-page-token": TOKEN}, b"{}", b"{}"),
        ({**JSON, "content-type": "application/json; charset=utf-8", "x-page-token": TOKEN},
         b"{}", b"{}"),
        ({"x-page-token": TOKEN}, b"", b""),
        ({"content-length": "0", "x-page-token": TOKEN}, b"", b""),
        (FORM, f"page_token={TOKEN}&a=1".encode(), f"page_token={TOKEN}&a=1".encode()),
        ({**FORM, "x-page-token": TOKEN}, b"a=1", b"a=1"),
        (JSON, b"{}", 403),
        ({**JSON, "x-page-token": ""}, b"{}", 403),
        ({**JSON, "x-page-token": TOKEN[:-1]}, b"{}", 403),
        ({**JSON, "x-page-token": page_token("d" * 43)}, b"{}", 403),
        ({**JSON, "x-page-token": "é"}, b"{}", 403),
        (FORM, b"a=1", 403),
        (FORM, b"", 403),
        (FORM, f"page_token={TOKEN}&page_token={TOKEN}".encode(), 422),
        (FORM, "é=1".encode(), 422),
        ({"content-type": "text/plain", "content-length": "2", "x-page-token": TOKEN}, b"{}", 415),
        ({"content-length": "2", "x-page-token": TOKEN}, b"{}", 415),
        ({"transfer-encoding": "chunked", "x-page-token": TOKEN}, b"{}", 415),
        ({"content-type": "multipart/form-data", "content-length": "2"}, b"{}", 415),
    ],
)  # fmt: skip
def test_it_holds_the_token_of_its_session_in_a_header_or_in_a_form(
    headers: dict[str, str], body: bytes, found: int | bytes
) -> None:
    assert checked({"origin": OWN, **headers}, body) == found


def test_the_token_is_of_one_session_and_does_not_tell_its_id() -> None:
    assert page_token(COOKIE) == TOKEN
    assert len(TOKEN) == 43
    assert page_token("d" * 43) != TOKEN
    assert COOKIE not in TOKEN


@pytest.mark.parametrize(
    ("host", "secure", "public_url", "expected"),
    [
        ("shop.example", True, "", "https://shop.example"),
        ("127.0.0.1:8000", False, "", "http://127.0.0.1:8000"),
        ("Shop.Example", False, "", "http://shop.example"),
        ("inner:8000", False, "https://shop.example", "https://shop.example"),
        ("inner:8000", False, "https://shop.example/", "https://shop.example"),
    ],
)
def test_our_origin_is_what_the_settings_say_or_what_the_request_came_to(
    host: str, secure: bool, public_url: str, expected: str
) -> None:
    assert own_origin(host, secure=secure, public_url=public_url) == expected


def test_a_form_is_read_in_one_way() -> None:
    assert form_fields(b"") == {}
    assert form_fields(b"name=an%20na&password=%C3%A9+%2B&next=") == {
        "name": "an na",
        "password": "é +",
        "next": "",
    }
    for body in (
        b"name",
        b"a=1&a=2",
        b"a=%ff",
        b"\xff=1",
        b"&".join([b"a%d=1" % n for n in range(21)]),
    ):
        with pytest.raises(Refused) as refused:
            form_fields(body)
        assert refused.value.answer.status == 422
