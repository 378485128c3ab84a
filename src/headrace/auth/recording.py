"""What is told of everything that somebody does: the face of the audit log to whoever does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from headrace.base.access import Principal


class Audit(Protocol):
    """Takes note of one thing after the other."""

    def __call__(
        self,
        actor: Principal,
        action: str,
        target: str,
        detail: Mapping[str, str],
        *,
        address: str = "",
        request: str = "",
    ) -> None:
        """Note one thing.

        Args:
            actor: who did it; ANONYMOUS for nobody known.
            action: one of `store.audit_entries.ACTIONS`.
            target: what it was done to: an account's name, a key's id, an environment, a path.
            detail: what else is to be known; never a secret.
            address: of the client; "" for a command.
            request: what the client calls its request; "" when it does not say.
        """
        ...


def recorded_nowhere(
    actor: Principal,
    action: str,
    target: str,
    detail: Mapping[str, str],
    *,
    address: str = "",
    request: str = "",
) -> None:
    """Take note of nothing: there is no log."""
    del actor, action, target, detail, address, request
