"""The face at /console: takes requests of browsers, gives pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qs, urlencode

from headrace.base.access import PUBLIC, Principal
from headrace.console.overview import Overview, duration, overview_of
from headrace.console.pages import asset, page, redirect
from headrace.serve.answering.answers import Answer
from headrace.serve.editions.edition import Edition
from headrace.serve.faces import FaceRequest, FaceRoute
from headrace.serve.forgery import by_session, page_token
from headrace.serve.gate import session_cookie
from headrace.serve.signing_in.answers import SETUP_PAGE, SIGN_IN_PAGE
from headrace.serve.signing_in.bodies import HOME, own_path
from headrace.serve.signing_in.face import SigningIn

_INSECURE = (
    "This page came over http, and browsers keep a session only over https, or on the server's own "
    "machine. Behind a proxy with https, `public_url` under [auth] says its address."
)
_SIGN_IN_PROBLEMS = {
    "insecure": _INSECURE,
    "wrong": "The name or the password is not right.",
    "limited": "Too many attempts to sign in. Wait a minute, then try again.",
    "busy": "Too many people are signing in. Try again in a moment.",
    "expired": "That sign-in has taken too long, or began in another browser. Try again.",
    "refused": "The issuer did not say who you are. Try again, or ask whoever runs this server.",
    "issuer": "The issuer cannot be reached. Try again later, or sign in with a password.",
}
_SETUP_PROBLEMS = {
    "insecure": _INSECURE,
    "token": "The setup token is not valid. Use the one that was printed last: it is good for an "
    "hour, and for one account. Starting the server again prints a new one.",
    "name": "An account cannot be called so. Use letters, digits, and `.`, `_`, `-`, `@` between.",
    "password": "That password is easily guessed. Take 15 characters or more, such as four words "
    "that have nothing to do with each other.",
    "limited": "Too many attempts. Wait a minute, then try again.",
}


class Editions(Protocol):
    """What is served now."""

    @property
    def environment(self) -> str:
        """The environment that is followed."""
        ...

    def acquire(self) -> Edition | None:
        """The current edition, to be released; None while there is none."""
        ...

    def release(self, edition: Edition) -> None:
        """Hold it no longer."""
        ...


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session as its owner sees it; times are ISO 8601 UTC to the minute."""

    handle: str
    browser: str
    begun_at: str
    used: str
    ends_at: str
    is_this: bool


@dataclass(frozen=True, slots=True)
class Console:
    """The pages of one service.

    Attributes:
        signing_in: whoever is signed in, and how.
        editions: what is served.
        project: its name.
    """

    signing_in: SigningIn
    editions: Editions
    project: str

    @property
    def prefix(self) -> str:
        """What every path begins with."""
        return "/console"

    @property
    def routes(self) -> Sequence[FaceRoute]:
        """All of them."""
        return (
            FaceRoute("GET", HOME, PUBLIC, self.home),
            FaceRoute("GET", SIGN_IN_PAGE, PUBLIC, self.sign_in),
            FaceRoute("GET", SETUP_PAGE, PUBLIC, self.setup),
            FaceRoute("GET", "/console/static/{name}", PUBLIC, self.static),
        )

    def refresh(self) -> None:
        """Nothing: signing in follows the accounts, and the edition the publishes."""

    async def home(self, request: FaceRequest) -> Answer:
        """Who somebody is, what they may call, and where they are signed in."""
        if not by_session(request.principal):
            return redirect(SIGN_IN_PAGE if self._can_sign_in() else SETUP_PAGE)
        cookie = session_cookie(request.scope["headers"])
        principal = request.principal
        return page(
            "home",
            project=self.project,
            who=_who(principal),
            principal=principal,
            claims=sorted(principal.claims.items()),
            overview=self._overview(principal),
            sessions=self._sessions(principal),
            page_token=page_token(cookie),
        )

    async def sign_in(self, request: FaceRequest) -> Answer:
        """Where somebody signs in."""
        query = _query(request)
        target = own_path(query.get("next", ""))
        if by_session(request.principal):
            return redirect(target)
        if not self._can_sign_in():
            return redirect(SETUP_PAGE)
        asked = "" if target == HOME else "?" + urlencode({"next": target})
        issuers = [
            (name, f"/auth/oidc/{name}{asked}") for name in sorted(self.signing_in.openid.issuers)
        ]
        return page(
            "sign_in",
            project=self.project,
            environment=self.editions.environment,
            problem=_SIGN_IN_PROBLEMS.get(query.get("problem", ""), ""),
            is_signed_out=query.get("signed") == "out",
            target=target,
            issuers=issuers,
            has_accounts=self._has_accounts(),
        )

    async def setup(self, request: FaceRequest) -> Answer:
        """Where the first account is made."""
        if self._has_accounts():
            return redirect(HOME)
        return page(
            "setup",
            project=self.project,
            environment=self.editions.environment,
            problem=_SETUP_PROBLEMS.get(_query(request).get("problem", ""), ""),
        )

    async def static(self, request: FaceRequest) -> Answer:
        """What pages load."""
        return asset(request.parameters["name"])

    def _can_sign_in(self) -> bool:
        return self._has_accounts() or bool(self.signing_in.openid.issuers)

    def _has_accounts(self) -> bool:
        accounts = self.signing_in.sessions.directory.now.accounts
        return any(each.kind == "user" for each in accounts.values())

    def _overview(self, principal: Principal) -> Overview:
        edition = self.editions.acquire()
        environment = self.editions.environment
        if edition is None:
            return Overview(self.project, environment)
        try:
            return overview_of(edition, principal, environment)
        finally:
            self.editions.release(edition)

    def _sessions(self, principal: Principal) -> list[SessionLine]:
        sessions = self.signing_in.sessions
        now = sessions.clock.now().timestamp()
        return [
            SessionLine(
                handle=each.handle,
                browser=browser_name(each.browser),
                begun_at=_minute(each.begun_at),
                used=duration(max(0.0, now - each.used_at)),
                ends_at=_minute(each.ends_at),
                is_this=each.credential == principal.credential,
            )
            for each in sessions.of(principal.id)
        ]


def browser_name(agent: str) -> str:
    """What people call a browser and its system, by its User-Agent.

    >>> browser_name("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    'Firefox on Linux'
    """
    browsers = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome"}
    systems = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows"}
    systems |= {"Mac OS X": "macOS", "Linux": "Linux"}
    browsers |= {"Safari/": "Safari"}
    name = next((said for mark, said in browsers.items() if mark in agent), "")
    system = next((said for mark, said in systems.items() if mark in agent), "")
    if not name:
        return agent.partition(" ")[0] or "Unknown browser"
    return f"{name} on {system}" if system else name


def _who(principal: Principal) -> str:
    """What somebody is called on a page: without what kind of account it is."""
    return principal.id.partition("|")[2] or principal.id.partition(":")[2]


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _query(request: FaceRequest) -> dict[str, str]:
    query: bytes = request.scope["query_string"]
    parsed = parse_qs(query.decode("ascii", "replace"))
    return {name: values[0] for name, values in parsed.items() if len(values) == 1}
