"""Keys of other issuers: takes where each publishes them, gives the ones that count now.

Each process asks for itself. In the background, all keys are asked for again before they are five
minutes old, so a key that its issuer takes away counts no longer than that. When a token names a
key that is not known, they are asked for at once, though once a minute at most. While an issuer
does not answer, the keys that it last gave count for a day.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from headrace.auth.outbound.addresses import destination_of
from headrace.auth.outbound.requests import OutboundError, fetch_json
from headrace.auth.tokens.key_sets import BadKeys, UnsafeKeys, VerificationKey, read_key_set
from headrace.base.auth_settings import Issuer
from headrace.base.clock import Clock, SystemClock

Fetch: TypeAlias = Callable[[Issuer], Awaitable[object]]
"""Gives the JWK set of an issuer; raises OutboundError."""

REFRESH_SECONDS = 240.0
"""With the time that a request may take, a key that was taken away is gone within 300 s."""
RETRY_SECONDS = 60.0
STALE_SECONDS = 86_400.0
_MAX_FILE_BYTES = 1024 * 1024

_LOG = logging.getLogger("headrace.auth")
_NO_KEYS: Mapping[str, VerificationKey] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an issuer says of itself in its OpenID configuration; "" for what it does not say.

    Attributes:
        issuer: exactly the URL that was configured.
        jwks_uri: of its keys.
        authorization_endpoint: where a browser signs in.
        token_endpoint: where a code is exchanged.
        userinfo_endpoint: of further claims.
        end_session_endpoint: where a browser signs out.
        response_iss: whether its responses name it (RFC 9207).
    """

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    response_iss: bool = False


_ENDPOINTS = (
    *("jwks_uri", "authorization_endpoint", "token_endpoint"),
    *("userinfo_endpoint", "end_session_endpoint"),
)


async def discover(issuer: Issuer) -> Configuration:
    """An issuer's OpenID configuration, by the URL that follows from the issuer's own.

    Its endpoints may be on other hosts, but never on this machine unless the issuer is.

    Raises:
        OutboundError: there is none, or it is another issuer's, or not to be trusted.
    """
    url = issuer.url.rstrip("/") + "/.well-known/openid-configuration"
    document = await fetch_json(url, private=issuer.private)
    if not isinstance(document, Mapping) or document.get("issuer") != issuer.url:
        raise OutboundError(
            f"{url} is not of the issuer {issuer.url}; expected exactly this issuer"
        )
    endpoints = {name: endpoint_of(issuer, document, name) for name in _ENDPOINTS}
    named = document.get("authorization_response_iss_parameter_supported") is True
    return Configuration(issuer.url, response_iss=named, **endpoints)


def endpoint_of(issuer: Issuer, document: Mapping[str, object], name: str) -> str:
    """One endpoint that an issuer's configuration names; "" when it names none.

    Raises:
        OutboundError: it must not be asked.
    """
    value = document.get(name, "")
    if value == "":
        return ""
    try:
        to = destination_of(value if isinstance(value, str) else "", private=issuer.private)
    except ValueError as exc:
        raise OutboundError(f"`{name}` of {issuer.url} is refused; expected {exc}") from exc
    if to.is_loopback and not destination_of(issuer.url).is_loopback:
        raise OutboundError(f"`{name}` of {issuer.url} is refused; expected a host of the network")
    return str(value)


async def fetch_key_set(issuer: Issuer) -> object:
    """The JWK set of an issuer, from wherever its settings say.

    Raises:
        OutboundError: there is none.
    """
    if issuer.jwks.startswith("file:"):
        return await asyncio.to_thread(_read_file, Path(issuer.jwks.removeprefix("file:")))
    url = issuer.jwks or (await discover(issuer)).jwks_uri
    if not url:
        raise OutboundError(f"the OpenID configuration of {issuer.url} names no `jwks_uri`")
    return await fetch_json(url, private=issuer.private)


def _read_file(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError("too large")
        return json.loads(content)
    except (OSError, ValueError, RecursionError) as exc:
        raise OutboundError(f"{path} holds no JWK set; expected a JSON object with `keys`") from exc


class IssuerKeys:
    """The keys of one issuer, asked for again from time to time.

    `key`, `may_help` and `generation` may be read from any thread; `fetch` is awaited on any loop.
    """

    def __init__(
        self, issuer: Issuer, *, clock: Clock | None = None, fetch: Fetch = fetch_key_set
    ) -> None:
        self.issuer = issuer
        self.generation = 0
        """Grows whenever a key came, changed or went: what was proven before may hold no more."""
        self.problem = ""
        """Why the last attempt gave no keys; "" when it did."""
        self._clock = clock or SystemClock()
        self._fetch = fetch
        self._keys = _NO_KEYS
        self._fetched_at = 0.0
        self._tried_at = 0.0
        self._asked_at = 0.0
        self._lock = threading.Lock()
        self._under_way: Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def key(self, kid: str) -> VerificationKey | None:
        """The key of that name; None when there is none, or all are too old."""
        is_fresh = self._now() - self._fetched_at <= STALE_SECONDS
        return self._keys.get(kid) if is_fresh else None

    def only(self) -> VerificationKey | None:
        """The key, where there is just one: an ID token need not name it then."""
        return self.key(next(iter(self._keys))) if len(self._keys) == 1 else None

    def may_help(self) -> bool:
        """Whether asking the issuer now may find a key that is not known."""
        return self._under_way is not None or self._now() - self._asked_at >= RETRY_SECONDS

    def is_due(self) -> bool:
        """Whether the keys should be asked for again in the background."""
        wait = RETRY_SECONDS if self.problem else REFRESH_SECONDS
        return self._under_way is None and self._now() - self._tried_at >= wait

    async def fetch(self) -> None:
        """Ask for the keys because one is not known, or wait for whoever does; once a minute.

        What fails is noted in `problem`, and the last keys stay.
        """
        with self._lock:
            if not self.may_help():
                return
            before, joined = self.generation, self._under_way is not None
            if not joined:
                self._asked_at = self._now()
            under_way = self._begin()
        await _ended(under_way)
        if joined and self.generation == before:
            # It may have been asked before the key was published.
            await self.fetch()

    async def again(self) -> None:
        """Ask for the keys because they are old, whenever that was done last."""
        with self._lock:
            under_way = self._begin()
        await _ended(under_way)

    def _begin(self) -> Future[None]:
        if self._under_way is not None:
            return self._under_way
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()
        self._under_way = done
        self._tried_at = self._now()
        # A task of its own: the request that began it may be given up, others wait for it.
        task = asyncio.ensure_future(self._fetch_into(done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return done

    async def _fetch_into(self, done: Future[None]) -> None:
        try:
            document = await self._fetch(self.issuer)
            self._take(read_key_set(document, self.issuer.algorithms))
        except UnsafeKeys as exc:
            # It has answered, and its answer takes away all that it said before.
            self._forget()
            self._note(exc)
        except (OutboundError, BadKeys) as exc:
            self._note(exc)
        finally:
            with self._lock:
                self._under_way = None
            done.set_result(None)

    def _take(self, found: Mapping[str, VerificationKey]) -> None:
        before, self._keys = self._keys, found
        self._fetched_at = self._now()
        if self.problem:
            _LOG.info("the keys of issuer %s were read again", self.issuer.name)
        self.problem = ""
        # Keys of cryptography are equal when their numbers are.
        if before != found:
            self.generation += 1

    def _forget(self) -> None:
        self._keys = _NO_KEYS
        self.generation += 1

    def _note(self, exc: Exception) -> None:
        problem = str(exc)
        if self.problem != problem:
            _LOG.warning("the keys of issuer %s were not read: %s", self.issuer.name, problem)
        self.problem = problem

    def _now(self) -> float:
        return self._clock.now().timestamp()


async def _ended(under_way: Future[None]) -> None:
    await asyncio.shield(asyncio.wrap_future(under_way))


def refresh(keys: Iterable[IssuerKeys]) -> None:
    """Ask for all keys that are due, at the same time; about once a second, from a thread.

    It takes as long as the slowest issuer, at most some 20 s.
    """
    due = [each for each in keys if each.is_due()]
    if due:
        asyncio.run(_fetch_all(due))


async def _fetch_all(due: Iterable[IssuerKeys]) -> None:
    await asyncio.gather(*(each.again() for each in due))
