"""The face at /auth: takes passwords, refresh tokens and keys, gives tokens or a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.bootstrap import redeem
from headrace.auth.accounts.directory import Account
from headrace.auth.recording import Audit, recorded_nowhere
from headrace.auth.signing_in.passwords import require_good
from headrace.auth.signing_in.sessions import Session, Sessions
from headrace.auth.tokens.own_tokens import Grant, OwnTokens, RefreshReused
from headrace.base.access import ANONYMOUS, PUBLIC, Principal
from headrace.base.errors import UsageError
from headrace.base.secrets import Secret
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused
from headrace.serve.faces import FaceRequest, FaceRoute
from headrace.serve.forgery import require_own_page
from headrace.serve.gate import session_cookie
from headrace.serve.signing_in.answers import (
    ENDED_COOKIE,
    SETUP_PAGE,
    SIGN_IN_PAGE,
    granted,
    keeps_cookies,
    not_granted,
    session_cookie_of,
    to_page,
)
from headrace.serve.signing_in.attempts import Attempts
from headrace.serve.signing_in.bodies import (
    HOME,
    TokenRequest,
    own_path,
    read_form,
    read_revoke_request,
    read_token_request,
)
from headrace.serve.signing_in.openid import OpenIdSignIn

_LOG = logging.getLogger("headrace.serve")
_WRONG = "The name or the password is not right."


@dataclass(frozen=True, slots=True)
class SigningIn:
    """What signs people and programs in.

    Attributes:
        accounts: the accounts' file.
        sessions: of browsers.
        tokens: headrace's own.
        attempts: verifies passwords.
        openid: signs in by other issuers.
        note: for the audit log.
    """

    accounts: Accounts
    sessions: Sessions
    tokens: OwnTokens
    attempts: Attempts
    openid: OpenIdSignIn
    note: Audit = recorded_nowhere

    @property
    def prefix(self) -> str:
        """What every path begins with."""
        return "/auth"

    @property
    def routes(self) -> Sequence[FaceRoute]:
        """All of them."""
        return (
            FaceRoute("POST", "/auth/token", PUBLIC, self.token, cookie=False),
            FaceRoute("POST", "/auth/revoke", PUBLIC, self.revoke, cookie=False),
            FaceRoute("POST", "/auth/sign-in", PUBLIC, self.sign_in, cookie=False),
            FaceRoute("POST", "/auth/sign-out", PUBLIC, self.sign_out),
            FaceRoute("POST", "/auth/sessions/{handle}/end", PUBLIC, self.end_session),
            FaceRoute("POST", "/auth/setup", PUBLIC, self.setup, cookie=False),
            FaceRoute("GET", "/auth/oidc/{issuer}", PUBLIC, self.to_issuer, cookie=False),
            FaceRoute(
                "GET", "/auth/oidc/{issuer}/callback", PUBLIC, self.from_issuer, cookie=False
            ),
        )

    def refresh(self) -> None:
        """Take the signing keys that another process has made, and make the next in time."""
        self.tokens.keys.refresh()

    def close(self) -> None:
        """End the threads, and write what is to be written."""
        self.attempts.close()
        self.sessions.close()

    # Tokens

    async def token(self, request: FaceRequest) -> Answer:
        """Tokens for a password, a refresh token, or a key."""
        asked = await read_token_request(request)
        if asked.grant_type == "client_credentials":
            return granted(await self._for_key(request))
        if asked.refresh_token:
            return granted(await self._refreshed(asked.refresh_token, request.address))
        return granted(await self._for_password(asked, request.address))

    async def _for_password(self, asked: TokenRequest, address: str) -> Grant:
        account = await self.attempts.account(asked.name, Secret(asked.password), address)
        if account is None:
            self._note_failure(asked.name, "token", address)
            raise Refused(not_granted(_WRONG))
        grant = await asyncio.to_thread(self.tokens.grant, account)
        self.note(_principal(account), "token_issued", account.name, {}, address=address)
        return grant

    async def _refreshed(self, token: str, address: str) -> Grant:
        try:
            grant = await asyncio.to_thread(self.tokens.refreshed, token)
        except RefreshReused as exc:
            _LOG.warning("a refresh token of %s was used twice: revoked", exc.account)
            self.note(ANONYMOUS, "token_reused", exc.account, {}, address=address)
            grant = None
        if grant is None:
            raise Refused(not_granted("The refresh token is not valid."))
        self.note(
            Principal(f"user:{grant.account}"),
            "token_refreshed",
            grant.account,
            {},
            address=address,
        )
        return grant

    async def _for_key(self, request: FaceRequest) -> Grant:
        principal = request.principal
        kind, _, key_id = principal.credential.partition(":")
        name = principal.id.partition(":")[2]
        account = self.tokens.directory.now.accounts.get(name)
        if kind != "key" or account is None or account.kind != "service":
            detail = "`client_credentials` needs the API key of a service account as bearer."
            raise Refused(not_granted(detail))
        self.note(principal, "token_issued", name, {}, address=request.address)
        return self.tokens.grant_for_key(account, key_id)

    async def revoke(self, request: FaceRequest) -> Answer:
        """Revoke a refresh token; says the same of one that is none (RFC 7009)."""
        asked = await read_revoke_request(request)
        name = await asyncio.to_thread(self.tokens.revoke, asked.token)
        if name:
            self.note(ANONYMOUS, "token_revoked", name, {}, address=request.address)
        return Answer(204, headers={"Cache-Control": "no-store"})

    # Browsers

    async def sign_in(self, request: FaceRequest) -> Answer:
        """A session for the password in a form."""
        require_own_page(request.scope, request.origin)
        form = await read_form(request)
        if not keeps_cookies(request.origin):
            return to_page(SIGN_IN_PAGE, problem="insecure")
        name, target = form.get("name", ""), own_path(form.get("next", ""))
        try:
            account = await self.attempts.account(
                name, Secret(form.get("password", "")), request.address
            )
        except Refused as refused:
            is_limit = refused.answer.status == HTTPStatus.TOO_MANY_REQUESTS
            code = "limited" if is_limit else "busy"
            if is_limit:
                # Of other refusals the service takes note: this one becomes the way to a page.
                self.note(ANONYMOUS, code, request.scope["path"], {}, address=request.address)
            return to_page(SIGN_IN_PAGE, problem=code, next=_unless_home(target))
        if account is None:
            self._note_failure(name, "session", request.address)
            return to_page(SIGN_IN_PAGE, problem="wrong", next=_unless_home(target))
        return await self._begun(request, account, target)

    async def sign_out(self, request: FaceRequest) -> Answer:
        """End the session that the cookie names."""
        session = self._session(request)
        if session is not None:
            await asyncio.to_thread(self.sessions.end, session)
            self.note(request.principal, "sign_out", session.owner, {}, address=request.address)
        return to_page(SIGN_IN_PAGE, ENDED_COOKIE, signed="out")

    async def end_session(self, request: FaceRequest) -> Answer:
        """End another session of the same person."""
        own = self._session(request)
        if own is None:
            return to_page(SIGN_IN_PAGE)
        handle = request.parameters["handle"]
        ended = [each for each in self.sessions.of(own.owner) if each.handle == handle]
        if ended:
            await asyncio.to_thread(self.sessions.end, *ended)
            detail = {"session": handle}
            self.note(
                request.principal, "session_ended", own.owner, detail, address=request.address
            )
        if own in ended:
            return to_page(SIGN_IN_PAGE, ENDED_COOKIE, signed="out")
        return to_page(HOME)

    async def setup(self, request: FaceRequest) -> Answer:
        """The first account, for the token that was printed."""
        require_own_page(request.scope, request.origin)
        form = await read_form(request)
        if not keeps_cookies(request.origin):
            return to_page(SETUP_PAGE, problem="insecure")
        name, password = form.get("name", ""), Secret(form.get("password", ""))
        try:
            await self.attempts.limit(request.address, "setup")
            require_good(password, name)
            hashed = await self.attempts.hash(password)
        except UsageError:
            return to_page(SETUP_PAGE, problem="password")
        except Refused:
            return to_page(SETUP_PAGE, problem="limited")
        try:
            account = await asyncio.to_thread(
                redeem, self.accounts, Secret(form.get("token", "")), name, hashed
            )
        except UsageError as exc:
            known = "setup token" in str(exc)
            return to_page(SETUP_PAGE, problem="token" if known else "name")
        await asyncio.to_thread(self.sessions.directory.refresh)
        self.note(_principal(account), "setup", account.name, {}, address=request.address)
        return await self._begun(request, account, HOME)

    # Other issuers

    async def to_issuer(self, request: FaceRequest) -> Answer:
        """The way to another issuer's page."""
        return await self.openid.begin(request)

    async def from_issuer(self, request: FaceRequest) -> Answer:
        """Whom another issuer sends back."""
        found = await self.openid.end(request)
        if isinstance(found, Answer):
            return found
        browser = request.header(b"user-agent")
        cookie, session = await asyncio.to_thread(
            self.sessions.begin_by, found.issuer, found.principal, browser
        )
        await self._leave(request)
        self._note_sign_in(request, session)
        return to_page(found.target, session_cookie_of(cookie))

    async def _begun(self, request: FaceRequest, account: Account, target: str) -> Answer:
        browser = request.header(b"user-agent")
        cookie, session = await asyncio.to_thread(self.sessions.begin_for, account, browser)
        await self._leave(request)
        self._note_sign_in(request, session)
        return to_page(target, session_cookie_of(cookie))

    async def _leave(self, request: FaceRequest) -> None:
        """End the session that the browser had before: its cookie is replaced."""
        before = self._session(request)
        if before is not None:
            await asyncio.to_thread(self.sessions.end, before)

    def _note_failure(self, name: str, wanted: str, address: str) -> None:
        # A name that is none may be a password that was typed into the wrong field.
        known = name if name in self.sessions.directory.now.accounts else ""
        self.note(ANONYMOUS, "sign_in_failed", known, {"for": wanted}, address=address)

    def _note_sign_in(self, request: FaceRequest, session: Session) -> None:
        principal = self.sessions.principal_of(session) or ANONYMOUS
        self.note(principal, "sign_in", session.owner, {}, address=request.address)

    def _session(self, request: FaceRequest) -> Session | None:
        return self.sessions.find(session_cookie(request.scope["headers"]))


def _principal(account: Account) -> Principal:
    return Principal(account.id)


def _unless_home(target: str) -> str:
    return "" if target == HOME else target
