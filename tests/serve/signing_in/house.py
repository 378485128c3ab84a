"""A service with nothing but its faces, for whoever signs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from starlette.types import Receive, Scope, Send

from headrace.auth.accounts.key_proofs import KeyProofs
from headrace.auth.signing_in.passwords import Passwords
from headrace.auth.signing_in.session_proofs import SessionProofs
from headrace.auth.tokens.issuers import IssuerKeys
from headrace.auth.tokens.token_proofs import TokenProofs
from headrace.auth.tokens.verifying import TokenVerifier
from headrace.base.access import Principal
from headrace.base.auth_settings import AuthSettings
from headrace.base.secrets import Secret
from headrace.serve.answering.answers import send_answer
from headrace.serve.answering.problems import Refused, not_found
from headrace.serve.faces import Face, Faces, face_request
from headrace.serve.gate import Gate
from headrace.serve.proxies import client_of
from headrace.serve.signing_in.attempts import Limit, unlimited
from headrace.serve.signing_in.face import SigningIn
from headrace.serve.signing_in.opening import House, open_signing_in
from tests.auth.people import SECRET, People
from tests.auth.signing_in.test_passwords import CountingHasher

ORIGIN = "https://shop.example"
OWN = {"Origin": ORIGIN}
PASSWORD = "ferry copper lantern ridge"

Noted = tuple[str, str, str]


@dataclass
class Home:
    """A service that people sign in to; anna has a password.

    `noted` is what the audit log was told: who, what, of whom.
    """

    people: People
    signing_in: SigningIn
    gate: Gate
    faces: Faces
    hasher: CountingHasher
    noted: list[Noted] = field(default_factory=list)
    public_url: str = ""

    @classmethod
    def build(
        cls,
        folder: Path,
        settings: AuthSettings | None = None,
        limit: Limit = unlimited,
        more: Callable[[SigningIn], Sequence[Face]] = lambda _: (),
        people: People | None = None,
    ) -> Home:
        """Settle its people, and open it."""
        people = people or People.settle(folder)
        settings = settings or AuthSettings()
        noted: list[Noted] = []

        def note(
            actor: Principal,
            action: str,
            target: str,
            detail: Mapping[str, str],
            *,
            address: str = "",
            request: str = "",
        ) -> None:
            noted.append((actor.id, action, target))

        keys = {each.name: IssuerKeys(each, clock=people.clock) for each in settings.issuers}
        signing_in = open_signing_in(
            House(
                accounts=people.accounts,
                directory=people.directory,
                secret=SECRET,
                project="coffee",
                environment="prod",
                settings=settings,
                keys=keys,
                limit=limit,
                note=note,
                root=folder,
            )
        )
        hasher = CountingHasher()
        attempts = replace(signing_in.attempts, passwords=Passwords(hasher))
        signing_in = replace(signing_in, attempts=attempts)
        if "anna" in people.directory.now.accounts and not people.accounts.password_hash("anna"):
            people.accounts.set_password_hash("anna", Passwords(hasher).hash(Secret(PASSWORD)))
            people.read()
        verifier = TokenVerifier(clock=people.clock)
        verifier.trust(signing_in.tokens.trust())
        gate = Gate(
            [KeyProofs(people.accounts, people.directory, "prod"), TokenProofs(verifier)],
            SessionProofs(signing_in.sessions),
            lambda: people.clock.now().timestamp(),
        )
        faces = Faces([signing_in, *more(signing_in)])
        return cls(people, signing_in, gate, faces, hasher, noted, settings.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            principal = await self.gate.principal(scope["headers"])
            client = client_of(scope, ())
            request = face_request(scope, receive, principal, client, self.public_url)
            if not self.faces.has(scope["path"]):
                raise Refused(not_found())
            answer = await self.faces.answer(request)
        except Refused as refused:
            answer = refused.answer
        await send_answer(answer, scope["method"], send)

    def client(self, origin: str = ORIGIN) -> httpx.AsyncClient:
        """A browser, or a program, that asks it."""
        transport = httpx.ASGITransport(app=self)
        return httpx.AsyncClient(transport=transport, base_url=origin)

    def close(self) -> None:
        """Give everything back."""
        self.signing_in.close()
        self.people.accounts.close()
