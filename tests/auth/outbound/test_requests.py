"""Requests that headrace makes: only where it was told, to addresses that it has checked."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headrace.auth.outbound.addresses import Destination, destination_of
from headrace.auth.outbound.requests import (
    GuardedTransport,
    OutboundError,
    RequestRefused,
    Resolve,
    fetch_json,
    guarded_client,
    guarded_transport,
    trusted_authorities,
)
from tests.auth.servers import Service, service


@pytest.fixture
def there() -> Iterator[Service]:
    with service() as running:
        yield running


def resolving(*answers: Sequence[str]) -> tuple[Resolve, list[tuple[str, int]]]:
    """A resolver that answers one after the other, and the questions that it was asked."""
    left = list(answers)
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return left.pop(0)

    return resolve, asked


def get(url: str, **options: object) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with guarded_client(url, **options) as client:  # type: ignore[arg-type]
            return await client.get(url)

    return asyncio.run(ask())


def connecting(
    seen: list[httpx.Request], fail: Sequence[str] = ()
) -> Callable[[Destination], httpx.AsyncBaseTransport]:
    """Notes what would be sent, and where to."""

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.host in fail:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(200, json={"ok": True})

    return lambda _: httpx.MockTransport(answer)


def ask_with(transport: httpx.AsyncBaseTransport, url: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            return await client.get(url)

    return asyncio.run(ask())


def test_json_of_a_configured_url(there: Service) -> None:
    there.at("/keys", b'{"keys": []}')
    assert asyncio.run(fetch_json(there.url + "/keys")) == {"keys": []}
    [(_, headers)] = there.requests
    assert headers["Host"] == f"127.0.0.1:{there.port}"
    assert headers["Accept-Encoding"] == "identity"


def test_a_name_is_resolved_once_and_what_it_means_then_is_where_the_request_goes() -> None:
    resolve, asked = resolving(["203.0.114.9"], ["127.0.0.1"])
    seen: list[httpx.Request] = []
    transport = GuardedTransport(
        [destination_of("https://login.example:8443")], resolve=resolve, connect=connecting(seen)
    )
    assert ask_with(transport, "https://login.example:8443/keys").json() == {"ok": True}
    assert asked == [("login.example", 8443)]
    [request] = seen
    assert str(request.url) == "https://203.0.114.9:8443/keys"
    assert request.headers["Host"] == "login.example:8443"
    assert request.extensions["sni_hostname"] == "login.example"
    # The next request resolves anew, and the name means this machine by now.
    with pytest.raises(RequestRefused, match="an address of the host is refused: it is of loop"):
        ask_with(transport, "https://login.example:8443/keys")
    assert len(seen) == 1


def test_one_bad_address_among_good_ones_is_enough_to_refuse() -> None:
    seen: list[httpx.Request] = []
    for bad in ("127.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "::1"):
        resolve, _ = resolving(["203.0.114.9", bad])
        transport = GuardedTransport(
            [destination_of("https://login.example")], resolve=resolve, connect=connecting(seen)
        )
        with pytest.raises(RequestRefused):
            ask_with(transport, "https://login.example/")
    assert seen == []


def test_the_next_address_is_asked_when_the_first_cannot_be_connected_to() -> None:
    resolve, _ = resolving(["2600::1", "203.0.114.9"])
    seen: list[httpx.Request] = []
    transport = GuardedTransport(
        [destination_of("https://login.example")],
        resolve=resolve,
        connect=connecting(seen, fail=["2600::1"]),
    )
    assert ask_with(transport, "https://login.example/").status_code == 200
    assert [str(it.url) for it in seen] == ["https://[2600::1]/", "https://203.0.114.9/"]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://login.example:444/",
        "http://login.example/",
        "http://login.example:443/",
        "https://login.example.evil.example/",
        "https://127.0.0.1/",
        "https://2130706433/",
    ],
)
def test_what_was_not_configured_is_not_even_resolved(url: str) -> None:
    resolve, asked = resolving(["203.0.114.9"])
    transport = GuardedTransport([destination_of("https://login.example")], resolve=resolve)
    with pytest.raises(RequestRefused, match="the host was not configured"):
        ask_with(transport, url)
    assert asked == []


def test_a_user_in_a_url_is_refused(there: Service) -> None:
    with pytest.raises(RequestRefused, match="the URL holds a user"):
        ask_with(guarded_transport(there.url), f"http://user:word@127.0.0.1:{there.port}/")
    assert there.requests == []


def test_a_private_address_must_be_allowed() -> None:
    resolve, _ = resolving(["10.0.0.9"], ["10.0.0.9"])
    seen: list[httpx.Request] = []
    for private, sent in ((False, 0), (True, 1)):
        to = destination_of("https://login.intranet", private=private)
        transport = GuardedTransport([to], resolve=resolve, connect=connecting(seen))
        if private:
            assert ask_with(transport, "https://login.intranet/").status_code == 200
        else:
            with pytest.raises(RequestRefused, match="it is of a private network"):
                ask_with(transport, "https://login.intranet/")
        assert len(seen) == sent


def test_localhost_that_means_another_machine_is_refused() -> None:
    resolve, _ = resolving(["203.0.114.9"])
    with pytest.raises(RequestRefused, match="it is not of loopback"):
        get("http://localhost:1/", resolve=resolve)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(there: Service, status: int) -> None:
    there.at("/", b"", status, {"Location": there.url + "/keys"})
    there.at("/keys", b"{}")

    async def ask() -> None:
        async with guarded_client(there.url) as client:
            await client.get(there.url + "/", follow_redirects=True)

    with pytest.raises(RequestRefused, match="the answer is a redirect"):
        asyncio.run(ask())
    assert [path for path, _ in there.requests] == ["/"]


def test_an_answer_is_read_up_to_its_cap(there: Service) -> None:
    there.at("/", b"a" * 1000)
    assert len(get(there.url + "/", max_bytes=1000).content) == 1000
    with pytest.raises(RequestRefused, match="the answer is too large"):
        get(there.url + "/", max_bytes=999)


def test_an_answer_that_would_grow_when_it_is_decoded_is_refused(there: Service) -> None:
    there.at("/", gzip.compress(b"0" * 50_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(RequestRefused, match="the answer is compressed"):
        get(there.url + "/")


def test_a_service_that_sends_byte_by_byte_is_given_up() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1")
        await writer.drain()
        await reader.read()
        writer.close()
        left.set()

    left = asyncio.Event()

    async def ask() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        async with server:
            async with guarded_client(url, seconds=0.1) as client:
                with pytest.raises(httpx.ReadTimeout, match="no answer in time"):
                    await client.get(url)
            await left.wait()

    asyncio.run(ask())


def test_a_proxy_of_the_environment_is_not_asked(
    there: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    there.at("/keys", b"[1]")
    assert asyncio.run(fetch_json(there.url + "/keys")) == [1]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b"{}", "answered 500; expected 200"),
        (404, b"{}", "answered 404; expected 200"),
        (200, b"<html>", "answered what is no JSON"),
        (200, b"\xff", "answered what is no JSON"),
        (200, b"[" * 100_000, "answered what is no JSON"),
    ],
)
def test_no_usable_answer_is_one_kind_of_error(
    there: Service, status: int, body: bytes, said: str
) -> None:
    there.at("/keys", body, status)
    with pytest.raises(OutboundError) as caught:
        asyncio.run(fetch_json(there.url + "/keys"))
    assert str(caught.value) == f"{there.url}/keys {said}"


def test_nobody_there_is_the_same_kind_of_error() -> None:
    with service() as gone:
        url = gone.url + "/keys"
    with pytest.raises(OutboundError, match=r"/keys could not be asked: "):
        asyncio.run(fetch_json(url))


def test_a_url_that_must_not_be_asked_is_refused_at_once() -> None:
    with pytest.raises(OutboundError) as caught:
        guarded_client("http://login.example/")
    assert str(caught.value) == (
        "a URL to ask is refused; expected `https://`; `http://` is for `localhost` and addresses"
        " of loopback"
    )


def test_it_serves_a_client_of_another_library(there: Service) -> None:
    # It warns of a successor of httpx when it is imported.
    with warnings.catch_warnings(record=True):
        from authlib.integrations.httpx_client import (  # noqa: PLC0415
            AsyncOAuth2Client,
        )
    token = {"access_token": "a", "token_type": "Bearer"}
    there.at("/token", json.dumps(token).encode(), headers={"Content-Type": "application/json"})

    async def exchange() -> object:
        transport = guarded_transport(there.url)
        async with AsyncOAuth2Client("id", "word", transport=transport, trust_env=False) as client:
            found: object = await client.fetch_token(there.url + "/token", code="c")
            return found

    assert asyncio.run(exchange()) == token


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate of `name`, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


@pytest.mark.parametrize("name", ["localhost", "login.example"])
def test_a_certificate_must_be_of_the_host_that_was_meant_not_of_its_address(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = certificate(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    trusted_authorities.cache_clear()
    try:
        with service(context) as there:
            there.at("/keys", b"[]")
            url = f"https://localhost:{there.port}/keys"
            resolve, _ = resolving(["127.0.0.1"])
            if name == "localhost":
                assert asyncio.run(fetch_json(url, resolve=resolve)) == []
            else:
                with pytest.raises(OutboundError, match="CERTIFICATE_VERIFY_FAILED"):
                    asyncio.run(fetch_json(url, resolve=resolve))
    finally:
        trusted_authorities.cache_clear()
