"""The management API, a face at /manage: takes JSON, changes accounts, keys and what is published.

All of it is for the role `admin`, but /manage/me, which is anybody's own. A credential that is
confined to scopes needs the scope `manage` besides the role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from headrace.auth.signing_in.passwords import Passwords
from headrace.base.access import ADMIN, AUTHENTICATED, Access
from headrace.base.errors import StoreError
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused, problem, unfit
from headrace.serve.faces import FaceRequest, FaceRoute
from headrace.serve.managing.bodies import Rollback
from headrace.serve.managing.handling import Desk, json_answer
from headrace.serve.managing.keys import KeyRoutes
from headrace.serve.managing.users import UserRoutes
from headrace.store.audit.publishing import policy_changes
from headrace.store.snapshots import Ref
from headrace.store.store import Store

MANAGERS = Access("granted", roles=(ADMIN,), scopes=("manage",))
_ROLLED_BACK = "rollback to "


@dataclass(frozen=True, slots=True)
class Managing:
    """The face.

    Attributes:
        desk: accounts, environment and record.
        store: whose snapshots are rolled back.
        passwords: hashes those that are set; the same for all who hash in this process.
        more: routes of others beneath /manage, such as those of the audit log.
    """

    desk: Desk
    store: Store
    passwords: Passwords
    more: Sequence[FaceRoute] = ()

    @property
    def prefix(self) -> str:
        """What every path begins with."""
        return "/manage"

    @property
    def routes(self) -> Sequence[FaceRoute]:
        """All of them."""
        rollback = self.desk.with_body(Rollback, self._rollback)
        return (
            *UserRoutes(self.desk, self.passwords).routes(MANAGERS),
            *KeyRoutes(self.desk).routes(MANAGERS, AUTHENTICATED),
            FaceRoute("POST", "/manage/rollback", MANAGERS, rollback),
            *self.more,
        )

    def refresh(self) -> None:
        """Nothing: every answer is made of what the file holds then."""

    def _rollback(self, request: FaceRequest, body: Rollback) -> Answer:
        head = self.store.head(self.desk.environment)
        if head is None:
            raise Refused(problem(404, "Nothing is published."))
        if (body.to is None) == (body.from_ is None):
            raise unfit("body", "both or none of them", "`to` or `from`: a snapshot's number")
        if self._is_done(head, body):
            return json_answer(200, {"published": asdict(head), "changed": False})
        parent = head.number if body.from_ is None else body.from_
        ref = self.store.rollback(self.desk.environment, to=body.to, parent=parent)
        self._note(request, head, ref)
        return json_answer(200, {"published": asdict(ref), "changed": True})

    def _note(self, request: FaceRequest, before: Ref, after: Ref) -> None:
        target = f"{after.environment}:{after.number}"
        self.desk.note(request, "rolled_back", target, reason=after.reason)
        try:
            was, now = (self.store.snapshot(ref).manifest for ref in (before, after))
        except StoreError:
            return  # what cannot be read is what was rolled back from
        for change in policy_changes(was, now):
            self.desk.note(request, "policy_changed", target, **asdict(change))

    def _is_done(self, head: Ref, body: Rollback) -> bool:
        """Whether a request was carried out already, so that sending it again changes nothing."""
        if body.to is not None:
            return self.store.ref(self.desk.environment, body.to).snapshot == head.snapshot
        return body.from_ == head.number - 1 and head.reason.startswith(_ROLLED_BACK)
