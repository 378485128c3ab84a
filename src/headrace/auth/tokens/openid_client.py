"""The client of OpenID Connect: takes an issuer's configuration, gives where to send a browser, and
what the issuer gives for the code that comes back. It needs Authlib.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client

from headrace.auth.outbound.requests import OutboundError, guarded_client
from headrace.auth.tokens.issuers import Configuration
from headrace.base.auth_settings import Issuer
from headrace.base.secrets import Secret

_MOST_CHARACTERS = 16 * 1024


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an issuer gives for a code; "" for what it does not give."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


def authorization_url(
    issuer: Issuer,
    configuration: Configuration,
    redirect_uri: str,
    *,
    state: str,
    nonce: str,
    verifier: str,
) -> str:
    """Where a browser signs in at an issuer.

    Args:
        issuer: with a `client_id`.
        configuration: what the issuer says of itself.
        redirect_uri: where the browser comes back.
        state, nonce, verifier: of this sign-in, each a secret of its own.
    """
    client = _Client(issuer, Secret(""), redirect_uri, None)
    url, _ = client.create_authorization_url(
        configuration.authorization_endpoint,
        state=state,
        code_verifier=verifier,
        nonce=nonce,
    )
    return str(url)


async def exchange(
    issuer: Issuer,
    configuration: Configuration,
    redirect_uri: str,
    *,
    secret: Secret,
    code: str,
    verifier: str,
) -> Exchanged:
    """What an issuer gives for a code.

    Args:
        issuer: with a `client_id`.
        configuration: what the issuer says of itself.
        redirect_uri: the one that the browser was sent with.
        secret: of the client; empty for a public one.
        code: what the browser has brought.
        verifier: of the sign-in.

    Raises:
        OutboundError: nothing, or nothing that can be used.
    """
    url = configuration.token_endpoint
    try:
        async with guarded_client(url, private=issuer.private) as http:
            client = _Client(issuer, secret, redirect_uri, http)
            given = await client.fetch_token(
                url, grant_type="authorization_code", code=code, code_verifier=verifier
            )
    except (httpx.HTTPError, AuthlibBaseError, ValueError) as exc:
        # Not the text: an issuer may repeat in it what it was sent.
        reason = type(exc).__name__
        raise OutboundError(f"{url} gave no tokens for a code: {reason}") from exc
    return Exchanged(_text(given, "id_token"), _text(given, "access_token"))


class _Client(OAuth2Client):  # type: ignore[misc]  # untyped
    """Authlib's client, which asks through a guarded one."""

    def __init__(
        self, issuer: Issuer, secret: Secret, redirect_uri: str, http: httpx.AsyncClient | None
    ) -> None:
        super().__init__(
            http,
            client_id=issuer.client_id,
            client_secret=secret.reveal() or None,
            scope=" ".join(issuer.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )

    async def _fetch_token(
        self,
        url: str,
        body: str,
        headers: Mapping[str, str],
        auth: ClientAuth,
        method: str,
        **_: object,
    ) -> object:
        uri, headers, body = auth.prepare(method, url, dict(headers), body)
        response = await self.session.request(method, uri, content=body, headers=headers)
        return self.parse_response_token(response)


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name, "")
    return value if isinstance(value, str) and len(value) <= _MOST_CHARACTERS else ""
