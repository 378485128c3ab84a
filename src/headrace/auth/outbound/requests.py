"""Requests that headrace makes: takes URLs that were configured, gives JSON or a guarded client.

Nothing else of headrace opens a connection to another service. A request goes only to the scheme,
host and port of a configured URL, straight to an address that was checked, through no proxy, along
no redirect, and its answer is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias, cast

import httpx

from headrace.auth.outbound.addresses import Destination, destination_of, refusal
from headrace.base.errors import HeadraceError

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host, as text."""

MAX_BYTES = 1024 * 1024
SECONDS = 10.0
Connect: TypeAlias = Callable[[Destination], httpx.AsyncBaseTransport]
"""Gives a transport for one request to one address of a destination."""

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 5.0
_REDIRECTS = range(300, 400)


class OutboundError(HeadraceError):
    """Another service could not be asked, must not be asked, or gave no usable answer."""


class RequestRefused(httpx.RequestError):
    """A request or an answer that the guard does not let through; the text says why."""


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the operating system finds them.

    Raises:
        OSError: it has none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@functools.cache
def trusted_authorities() -> ssl.SSLContext:
    """Whose certificates count: those of httpx, or of the file that SSL_CERT_FILE names."""
    return httpx.create_ssl_context()


def direct(_: Destination) -> httpx.AsyncBaseTransport:
    """A transport that connects straight to where the request's URL says, and keeps nothing open.

    Each request has its own: a connection is never used for another host's request.
    """
    return httpx.AsyncHTTPTransport(
        verify=trusted_authorities(),
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


class GuardedTransport(httpx.AsyncBaseTransport):
    """A transport of httpx that asks only `destinations`.

    Each request resolves its host once, checks every address found, and connects to one of these
    very addresses: a name that means something else a moment later changes nothing.
    """

    def __init__(
        self,
        destinations: Iterable[Destination],
        *,
        resolve: Resolve = system_addresses,
        connect: Connect = direct,
        max_bytes: int = MAX_BYTES,
        seconds: float = SECONDS,
    ) -> None:
        self._destinations = {(it.scheme, it.host, it.port): it for it in destinations}
        self._resolve = resolve
        self._connect = connect
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            RequestRefused: it must not be sent, or its answer not be read.
            httpx.TransportError: it failed.
        """
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(deadline):
                destination = self._destination(request)
                addresses = await self._addresses(destination, request)
                response, inner = await self._send(request, destination, addresses)
        except TimeoutError as exc:
            raise httpx.ReadTimeout("no answer in time", request=request) from exc
        except OSError as exc:
            raise httpx.ConnectError("the host has no address", request=request) from exc
        stream = _Bounded(response, inner, self._max_bytes, deadline)
        if reason := _unfit(response):
            await stream.aclose()
            raise RequestRefused(reason, request=request)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, request=request
        )

    async def _send(
        self, request: httpx.Request, destination: Destination, addresses: Sequence[str]
    ) -> tuple[httpx.Response, httpx.AsyncBaseTransport]:
        """The answer of the first address that can be connected to, and what it came by."""
        failure = httpx.ConnectError("the host has no address", request=request)
        for address in addresses:
            inner = self._connect(destination)
            try:
                pinned = _pinned(request, destination, address)
                return await inner.handle_async_request(pinned), inner
            except httpx.ConnectError as exc:
                await inner.aclose()
                failure = exc
            except BaseException:
                await inner.aclose()
                raise
        raise failure

    def _destination(self, request: httpx.Request) -> Destination:
        url = request.url
        if url.userinfo:
            raise RequestRefused("the URL holds a user", request=request)
        port = url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
        found = self._destinations.get((url.scheme, url.host, port))
        if found is None:
            raise RequestRefused("the host was not configured", request=request)
        return found

    async def _addresses(self, to: Destination, request: httpx.Request) -> Sequence[str]:
        addresses = await self._resolve(to.host, to.port)
        for address in addresses:
            if reason := refusal(address, to):
                # One bad address condemns the others: whoever names it controls the name.
                raise RequestRefused(
                    f"an address of the host is refused: {reason}", request=request
                )
        if not addresses:
            raise RequestRefused("the host has no address", request=request)
        return addresses


def _unfit(response: httpx.Response) -> str:
    """Why an answer is not read; "" if it is."""
    if response.status_code in _REDIRECTS:
        return "the answer is a redirect"
    # A few bytes of it may be as many as one likes once it is decoded.
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    return "" if is_plain else "the answer is compressed"


def _pinned(request: httpx.Request, destination: Destination, address: str) -> httpx.Request:
    """The same request to one address. Its Host header stays, and so does the name that the
    certificate is checked against.
    """
    headers = httpx.Headers(request.headers)
    headers["Accept-Encoding"] = "identity"
    headers["Connection"] = "close"
    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS).as_dict()
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=headers,
        stream=request.stream,
        extensions={"timeout": timeout, "sni_hostname": destination.host},
    )


class _Bounded(httpx.AsyncByteStream):
    """The body of an answer, up to a size and a point in time; it closes what it came by."""

    def __init__(
        self,
        response: httpx.Response,
        inner: httpx.AsyncBaseTransport,
        max_bytes: int,
        deadline: float,
    ) -> None:
        self._response = response
        self._inner = inner
        self._left = max_bytes
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(cast("httpx.AsyncByteStream", self._response.stream))
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(chunks, None)
            except TimeoutError as exc:
                raise httpx.ReadTimeout("no answer in time") from exc
            if chunk is None:
                return
            self._left -= len(chunk)
            if self._left < 0:
                raise RequestRefused("the answer is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()
        await self._inner.aclose()


def guarded_client(
    *urls: str,
    private: bool = False,
    resolve: Resolve = system_addresses,
    max_bytes: int = MAX_BYTES,
    seconds: float = SECONDS,
) -> httpx.AsyncClient:
    """A client that asks only the hosts of `urls`, which were configured.

    Args:
        urls: each opens its scheme, host and port, not the path alone.
        private: whether these hosts may have addresses of a private network.
        resolve: finds the addresses of a host.
        max_bytes: of one answer.
        seconds: of one request, from the resolving to the last byte.

    Raises:
        OutboundError: a URL leads nowhere that headrace asks.
    """
    transport = guarded_transport(
        *urls, private=private, resolve=resolve, max_bytes=max_bytes, seconds=seconds
    )
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)


def guarded_transport(
    *urls: str,
    private: bool = False,
    resolve: Resolve = system_addresses,
    max_bytes: int = MAX_BYTES,
    seconds: float = SECONDS,
) -> GuardedTransport:
    """The transport of `guarded_client`, for a client of another library.

    Give such a client `trust_env=False`, too: else it may put a proxy before its transport.
    """
    try:
        destinations = [destination_of(url, private=private) for url in urls]
    except ValueError as exc:
        raise OutboundError(f"a URL to ask is refused; expected {exc}") from exc
    return GuardedTransport(destinations, resolve=resolve, max_bytes=max_bytes, seconds=seconds)


async def fetch_json(
    url: str, *, private: bool = False, resolve: Resolve = system_addresses
) -> object:
    """What a configured URL answers, as JSON.

    Raises:
        OutboundError: there is no such answer, or it must not be asked for.
    """
    async with guarded_client(url, private=private, resolve=resolve) as client:
        try:
            response = await client.get(url, headers={"Accept": "application/json"})
            if response.status_code != httpx.codes.OK:
                raise OutboundError(f"{url} answered {response.status_code}; expected 200")
            return json.loads(response.content)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            reason = str(exc) or type(exc).__name__
            raise OutboundError(f"{url} could not be asked: {reason}") from exc
        except (ValueError, RecursionError) as exc:
            raise OutboundError(f"{url} answered what is no JSON") from exc
