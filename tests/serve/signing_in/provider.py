"""An OpenID provider of a test's own: does what is right, or what the test wants it to do wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


def new_key(kid: str) -> RSAKey:
    """A key that signs whatever RSA keys do."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@cache
def a_key(kid: str) -> RSAKey:
    """The same key each time: making one takes a while."""
    return new_key(kid)


@dataclass
class Provider:
    """What the provider says; a test changes it while it runs.

    Attributes:
        claims: beside or instead of those of a right ID token; None leaves one out.
        response: of the redirect, likewise.
        configuration: likewise.
        now: seconds since 1970.
        names_keys: whether an ID token says which key has signed it.
        asked: the forms that came to the token endpoint, each with its Authorization header.
    """

    url: str = ""
    keys: list[RSAKey] = field(default_factory=lambda: [a_key("first")])
    claims: dict[str, object] = field(default_factory=dict)
    response: dict[str, object] = field(default_factory=dict)
    configuration: dict[str, object] = field(default_factory=dict)
    now: float = field(default_factory=time.time)
    access_token: str = "opaque"
    asked: list[dict[str, str]] = field(default_factory=list)
    signing: RSAKey | None = None
    algorithm: str = "RS256"
    names_keys: bool = True
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish no other."""
        self.keys = [a_key(kid)]

    def get(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], object]:
        """The answer to a GET."""
        if path == "/.well-known/openid-configuration":
            return 200, {}, _without_none({**self._own_configuration(), **self.configuration})
        if path == "/jwks":
            return 200, {}, {"keys": [key.as_dict(private=False) for key in self.keys]}
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        said = {"code": code, "state": query["state"], **self.response}
        location = f"{query['redirect_uri']}?{urlencode(_without_none(said))}"
        return 302, {"Location": location}, {}

    def post(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, str], object]:
        """The answer of the token endpoint."""
        self.asked.append({**form, "authorization": authorization})
        begun = self._codes.pop(form.get("code", ""), None)
        if begun is None or begun["redirect_uri"] != form.get("redirect_uri"):
            return 400, {}, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (begun["code_challenge"], begun["code_challenge_method"]) != (challenge, "S256"):
            return 400, {}, {"error": "invalid_grant"}
        token = self._id_token(begun)
        said = {"access_token": self.access_token, "token_type": "Bearer", "id_token": token}
        return 200, {}, said

    def _id_token(self, begun: dict[str, str]) -> str:
        right: dict[str, object] = {
            "iss": self.url,
            "sub": "clara",
            "aud": begun["client_id"],
            "iat": int(self.now),
            "exp": int(self.now) + 300,
            "nonce": begun["nonce"],
            "groups": ["shop-analysts", "everybody"],
            "store": 7,
        }
        key = self.signing or self.keys[0]
        header = {"alg": self.algorithm}
        if self.names_keys:
            header["kid"] = str(self.keys[0].kid)
        return jwt.encode(
            header, _without_none({**right, **self.claims}), key, algorithms=[self.algorithm]
        )

    def _own_configuration(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    """A provider on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(*provider.get(parts.path, dict(parse_qsl(parts.query))))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            given = self.headers.get("authorization", "")
            self._answer(*provider.post(dict(parse_qsl(body)), given))

        def _answer(self, status: int, headers: dict[str, str], body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _without_none(said: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in said.items() if value is not None}
