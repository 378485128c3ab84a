"""Signing in by another issuer, with OpenID Connect: sends a browser there, and takes it back.

It is the authorization code flow with PKCE. What belongs to one sign-in is sealed into a cookie, so
that it can begin in one process and end in another; it is good once, and for ten minutes.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qsl

import msgspec

from headrace.auth.outbound.requests import OutboundError
from headrace.auth.tokens.issuers import Configuration, discover
from headrace.auth.tokens.openid import IdTokenKeys, signed_in
from headrace.auth.tokens.signing_keys import Sealing
from headrace.auth.tokens.verifying import BadToken
from headrace.base.access import Principal
from headrace.base.auth_settings import Issuer
from headrace.base.clock import Clock
from headrace.base.errors import UsageError
from headrace.base.secrets import Secret, read_secret
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused, not_found
from headrace.serve.faces import FaceRequest
from headrace.serve.signing_in.answers import (
    FLOW_COOKIE,
    FLOW_SECONDS,
    SIGN_IN_PAGE,
    flow_cookie_of,
    to_page,
)
from headrace.serve.signing_in.attempts import Limit
from headrace.serve.signing_in.bodies import own_path
from headrace.store.database import Database, Parameters

_LOG = logging.getLogger("headrace.serve")
_SEALED_NAME = "a sign-in by another issuer"
_CONFIGURATION_SECONDS = 3600.0
_MOST_QUERY_BYTES = 8 * 1024


class _Flow(msgspec.Struct, frozen=True):
    """One sign-in that has begun."""

    issuer: str
    state: str
    nonce: str
    verifier: str
    target: str
    ends_at: float


@dataclass(frozen=True, slots=True)
class Returned:
    """Somebody whom an issuer has sent back: who it is, and where to go."""

    issuer: str
    principal: Principal
    target: str


class _Failed(Exception):
    """A sign-in ends without anybody; `code` is for the page, the text for the log."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        super().__init__(reason)


@dataclass(slots=True)
class OpenIdSignIn:
    """Signs in by the issuers that have a `client_id`.

    Attributes:
        issuers: those issuers, by their names.
        secrets: of the clients, likewise; an empty one for a public client.
        keys: of the issuers, likewise.
        sealing: for the cookie.
        database: the accounts' file, which remembers what was used.
    """

    issuers: Mapping[str, Issuer]
    secrets: Mapping[str, Secret] = field(repr=False)
    keys: Mapping[str, IdTokenKeys]
    sealing: Sealing
    database: Database
    clock: Clock
    limit: Limit
    _client: ModuleType | None = None
    _configurations: dict[str, tuple[float, Configuration]] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        issuers: tuple[Issuer, ...],
        keys: Mapping[str, IdTokenKeys],
        sealing: Sealing,
        database: Database,
        clock: Clock,
        limit: Limit,
        root: Path | None = None,
    ) -> OpenIdSignIn:
        """What signs in by those of `issuers` that have a `client_id`.

        Args:
            issuers: of the settings.
            keys: of each of them, by name.
            sealing: for the cookie.
            database: the accounts' file.
            clock: tells when a sign-in is too old.
            limit: asked before a code is exchanged.
            root: where the path of a secret's file begins.

        Raises:
            UsageError: a secret cannot be read, or Authlib is not installed.
        """
        clients = {each.name: each for each in issuers if each.client_id}
        found = {
            name: read_secret(each.client_secret, f"[auth.issuers.{name}] client_secret", root)
            if each.client_secret
            else Secret("")
            for name, each in clients.items()
        }
        client = _load_client() if clients else None
        return cls(clients, found, keys, sealing, database, clock, limit, client)

    async def begin(self, request: FaceRequest) -> Answer:
        """The way to the issuer that the path names, with a cookie that brings the browser back.

        Raises:
            Refused: 404, no issuer is called so.
        """
        issuer = self._issuer(request)
        flow = _Flow(
            issuer=issuer.name,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            target=own_path(_query(request).get("next", "")),
            ends_at=self._now() + FLOW_SECONDS,
        )
        try:
            configuration = await self._configuration(issuer)
        except OutboundError as exc:
            _LOG.warning("nobody can sign in by %s: %s", issuer.name, exc)
            return to_page(SIGN_IN_PAGE, problem="issuer")
        url = self._module().authorization_url(
            issuer,
            configuration,
            _redirect_uri(request, issuer),
            state=flow.state,
            nonce=flow.nonce,
            verifier=flow.verifier,
        )
        sealed = self.sealing.seal(msgspec.json.encode(flow), _SEALED_NAME)
        return to_page(url, flow_cookie_of(base64.urlsafe_b64encode(sealed).decode()))

    async def end(self, request: FaceRequest) -> Returned | Answer:
        """Who comes back from the issuer that the path names, or the way to try again.

        Raises:
            Refused: 404, no issuer is called so.
        """
        issuer = self._issuer(request)
        try:
            flow = await self._flow(request, issuer)
            principal = await self._signed_in(request, issuer, flow)
        except _Failed as exc:
            _LOG.warning("a sign-in by %s failed: %s", issuer.name, exc)
            return to_page(SIGN_IN_PAGE, problem=exc.code)
        return Returned(issuer.name, principal, flow.target)

    async def _flow(self, request: FaceRequest, issuer: Issuer) -> _Flow:
        """The sign-in that this browser has begun, which is used up by this."""
        flow = self._unsealed(_cookie(request))
        given = _query(request).get("state", "")
        if flow is None or flow.issuer != issuer.name:
            raise _Failed("expired", "no sign-in has begun in this browser")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), flow.state.encode()):
            raise _Failed("expired", "the state is another one")
        if flow.ends_at <= self._now():
            raise _Failed("expired", "it took too long")
        if not await asyncio.to_thread(self._spend, flow):
            raise _Failed("expired", "it has ended already")
        return flow

    async def _signed_in(self, request: FaceRequest, issuer: Issuer, flow: _Flow) -> Principal:
        query = _query(request)
        if "error" in query or not query.get("code"):
            raise _Failed("refused", "the issuer has refused")
        try:
            await self.limit(request.address, f"code of {request.address}")
        except Refused as exc:
            raise _Failed("limited", "too many attempts") from exc
        try:
            configuration = await self._configuration(issuer)
            said = query.get("iss")
            if said != issuer.url and (configuration.response_iss or said is not None):
                raise _Failed("refused", "the answer is of another issuer")
            exchanged = await self._module().exchange(
                issuer,
                configuration,
                _redirect_uri(request, issuer),
                secret=self.secrets[issuer.name],
                code=query["code"],
                verifier=flow.verifier,
            )
            return await signed_in(
                exchanged, issuer, self.keys[issuer.name], flow.nonce, self._now()
            )
        except OutboundError as exc:
            raise _Failed("issuer", str(exc)) from exc
        except BadToken as exc:
            raise _Failed("refused", f"the ID token is refused: {exc.reason}") from exc

    def _issuer(self, request: FaceRequest) -> Issuer:
        issuer = self.issuers.get(request.parameters["issuer"])
        if issuer is None:
            raise Refused(not_found())
        return issuer

    async def _configuration(self, issuer: Issuer) -> Configuration:
        found = self._configurations.get(issuer.name)
        if found is not None and self._now() - found[0] < _CONFIGURATION_SECONDS:
            return found[1]
        configuration = await discover(issuer)
        if not configuration.authorization_endpoint or not configuration.token_endpoint:
            raise OutboundError(f"{issuer.url} says not where to sign in")
        self._configurations[issuer.name] = (self._now(), configuration)
        return configuration

    def _unsealed(self, cookie: str) -> _Flow | None:
        try:
            sealed = base64.urlsafe_b64decode(cookie.encode("ascii"))
            content = self.sealing.unseal(sealed, _SEALED_NAME)
            return None if content is None else msgspec.json.decode(content, type=_Flow)
        except (ValueError, msgspec.DecodeError):
            return None

    def _spend(self, flow: _Flow) -> bool:
        """Use up a sign-in; whether it was there to be used."""
        row: Parameters = {
            "digest": sha256(flow.state.encode()).digest(),
            "expires_at": flow.ends_at,
        }
        self.database.write("delete_spent_states", [{"now": self._now()}])
        return self.database.write("spend_state", [row]) == 1

    def _module(self) -> ModuleType:
        assert self._client is not None, "there is an issuer, so it was loaded"
        return self._client

    def _now(self) -> float:
        return self.clock.now().timestamp()


def _load_client() -> ModuleType:
    try:
        return import_module("headrace.auth.tokens.openid_client")
    except ModuleNotFoundError as exc:
        raise UsageError(
            "[auth.issuers]: `client_id` is set, and Authlib is not installed; expected it for "
            "signing in by OpenID Connect; run `pip install 'headrace[oidc]'`"
        ) from exc


def _redirect_uri(request: FaceRequest, issuer: Issuer) -> str:
    return f"{request.origin}/auth/oidc/{issuer.name}/callback"


def _query(request: FaceRequest) -> dict[str, str]:
    """The query's parameters; of one that is there twice, none."""
    query: bytes = request.scope["query_string"]
    if len(query) > _MOST_QUERY_BYTES:
        return {}
    pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


def _cookie(request: FaceRequest) -> str:
    try:
        morsel = SimpleCookie(request.header(b"cookie")).get(FLOW_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""
