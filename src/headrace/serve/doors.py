"""The doors of a service: takes a store and settings, gives what tells who asks, and the faces by
which people and programs sign in and manage.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.following import FollowedDirectory
from headrace.auth.accounts.key_proofs import KeyProofs
from headrace.auth.audit_trail import AuditTrail
from headrace.auth.signing_in.session_proofs import SessionProofs
from headrace.auth.tokens.issuers import IssuerKeys
from headrace.auth.tokens.token_proofs import TokenProofs
from headrace.auth.tokens.verifying import TokenVerifier
from headrace.serve.editions.watching import Watcher
from headrace.serve.faces import Face
from headrace.serve.gate import OPEN_GATE, Gate
from headrace.serve.limiting.limits import Limits
from headrace.serve.managing.face import MANAGERS, Managing
from headrace.serve.managing.handling import Desk
from headrace.serve.managing.recorded import Recorded
from headrace.serve.settings import ServeSettings
from headrace.serve.signing_in.face import SigningIn
from headrace.serve.signing_in.opening import House, open_signing_in
from headrace.store.store import Store

Pages: TypeAlias = Callable[[SigningIn, Watcher], Face]
"""Makes the face that people see, over what signs them in and what is served."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Who is let in, and what they find besides data; `close` them at last."""

    gate: Gate
    faces: tuple[Face, ...]
    close: Callable[[], None]


OPEN_DOORS = Doors(OPEN_GATE, (), lambda: None)
"""Nobody is known, and there is no face."""


def open_doors(
    store: Store,
    watcher: Watcher,
    settings: ServeSettings,
    limits: Limits,
    trail: AuditTrail,
    pages: Pages | None = None,
) -> Doors:
    """The doors of an environment.

    Args:
        store: has the accounts.
        watcher: of the environment.
        settings: whom to believe.
        limits: asked before each attempt to sign in.
        trail: is told of everything that is done.
        pages: for people; None has none.

    Raises:
        UsageError: a secret of the settings cannot be read, or Authlib is needed and missing.
        StoreError: the accounts cannot be used.
    """
    with ExitStack() as opened:
        accounts = Accounts.open(store.accounts_path, clock=store.clock)
        opened.callback(accounts.close)
        directory = FollowedDirectory(accounts)
        auth, environment = settings.auth, watcher.environment
        keys = {each.name: IssuerKeys(each, clock=store.clock) for each in auth.issuers}
        signing_in = open_signing_in(
            House(
                accounts,
                directory,
                store.secret(),
                settings.project,
                environment,
                auth,
                keys,
                limits.sign_in,
                trail,
                settings.root,
            )
        )
        opened.callback(signing_in.close)
        verifier = TokenVerifier(auth.issuers, keys, store.clock)
        verifier.trust(signing_in.tokens.trust())
        bearers = (KeyProofs(accounts, directory, environment), TokenProofs(verifier))
        managing = Managing(
            Desk(accounts, environment, trail),
            store,
            signing_in.attempts.passwords,
            [Recorded(store.root).route("/manage/audit", MANAGERS)],
        )
        faces: list[Face] = [signing_in, managing]
        if pages is not None:
            faces.append(pages(signing_in, watcher))
        gate = Gate(bearers, SessionProofs(signing_in.sessions))
        return Doors(gate, tuple(faces), opened.pop_all().close)
