"""What `headrace.toml` says of authentication and limits, as nouns; durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of tokens, `[auth.issuers.<name>]`.

    Attributes:
        name: the table's name: "google" on the button of the sign-in page.
        url: exactly the `iss` of its tokens; https, or http on loopback.
        audience: what `aud` must contain.
        jwks: where its keys are: a URL, or `file:PATH`; "" asks its OpenID configuration.
        algorithms: those allowed; all asymmetric.
        roles_claim: the claim that holds roles: a list, or a text of words; a dot goes into an
            object ("realm_access.roles").
        roles: value of that claim -> role of the project; empty takes each value as the role.
        claims: name of `$auth.<name>` -> claim of the token.
        client_id, client_secret: for signing in to the console by OpenID Connect; "" for none. The
            secret is a reference.
        scopes: asked for at sign-in.
        private: whether its hosts may have addresses of a private network.
    """

    name: str
    url: str
    audience: str
    jwks: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    roles_claim: str = "roles"
    roles: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    client_id: str = ""
    client_secret: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    private: bool = False


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """`[auth]`.

    Attributes:
        issuers: other issuers than headrace itself.
        access_token_seconds: life of an own access token, at most 900.
        refresh_token_seconds: life of a refresh token since the sign-in, however often rotated.
        session_seconds: life of a browser session since the sign-in.
        session_idle_seconds: after which an unused browser session ends.
        public_url: the address that browsers use, for OpenID Connect's redirects and `Secure`
            cookies behind a proxy; "" takes the address that the server listens on.
        trusted_proxies: addresses or networks whose X-Forwarded-* headers count.
    """

    issuers: tuple[Issuer, ...] = ()
    access_token_seconds: int = 900
    refresh_token_seconds: int = 30 * 86_400
    session_seconds: int = 12 * 3600
    session_idle_seconds: int = 3600
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` requests at once, and `count` in each `seconds` on average."""

    count: int
    seconds: float
    burst: int


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """`[limits]`; None and 0 are no limit.

    Attributes:
        credential: of one key, token subject or session.
        tenant: of all credentials of one tenant together.
        address: of one client address, for requests without a credential.
        export: of one credential, for answers in a file format.
        sign_in: of one client address and of one account, for attempts to sign in.
        daily: requests of one credential in one UTC day.
        shared: whether all servers count together, in the Redis of `[serve] redis`.
    """

    credential: Rate | None = None
    tenant: Rate | None = None
    address: Rate | None = None
    export: Rate | None = None
    sign_in: Rate = Rate(10, 60.0, 10)
    daily: int = 0
    shared: bool = False
