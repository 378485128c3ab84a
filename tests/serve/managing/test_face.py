"""A rollback by HTTP happens once, however often it is asked for."""

from __future__ import annotations

from headrace.auth.signing_in.passwords import Passwords
from headrace.base.access import NOBODY, PUBLIC
from headrace.serve.faces import Faces
from headrace.serve.managing.face import Managing
from headrace.serve.managing.handling import Desk
from headrace.store.snapshots import Manifest, Snapshot, TablePolicy
from headrace.store.store import Store
from tests.serve.managing.conftest import Office


def publish(office: Office, *names: str) -> None:
    for name in names:
        head = office.store.head("prod")
        office.store.publish(
            "prod",
            Snapshot({}, Manifest(name)),
            parent=head.number if head else None,
            reason="built",
        )


def test_an_older_snapshot_is_published_again_once(office: Office) -> None:
    publish(office, "one", "two", "three")
    status, body = office.ask("POST", "/manage/rollback", {"to": 1})
    assert (status, body["changed"]) == (200, True)
    assert (body["published"]["number"], body["published"]["reason"]) == (4, "rollback to 1")
    for _ in range(3):
        status, again = office.ask("POST", "/manage/rollback", {"to": 1})
        assert (status, again["changed"], again["published"]) == (200, False, body["published"])
    assert office.noted.entries == [
        ("user:root", "rolled_back", "prod:4", {"reason": "rollback to 1"})
    ]


def test_going_back_from_what_is_published_happens_once(office: Office) -> None:
    publish(office, "one", "two")
    status, body = office.ask("POST", "/manage/rollback", {"from": 2})
    assert (status, body["changed"], body["published"]["number"]) == (200, True, 3)
    status, again = office.ask("POST", "/manage/rollback", {"from": 2})
    assert (status, again["changed"], again["published"]["number"]) == (200, False, 3)
    publish(office, "three")
    status, late = office.ask("POST", "/manage/rollback", {"from": 2})
    assert (status, late["detail"]) == (409, "Somebody else has published; look again.")
    assert len(office.noted.entries) == 1


def test_what_cannot_be_rolled_back_is_said(office: Office) -> None:
    assert office.ask("POST", "/manage/rollback", {"to": 1})[0] == 404
    publish(office, "one")
    assert office.ask("POST", "/manage/rollback", {"to": 9})[0] == 404
    assert office.ask("POST", "/manage/rollback", {"from": 1})[0] == 404
    for body in ({}, {"to": 1, "from": 1}):
        status, problem = office.ask("POST", "/manage/rollback", body)
        assert (status, problem["errors"][0]["expected"]) == (
            422,
            "`to` or `from`: a snapshot's number",
        )
    assert office.ask("POST", "/manage/rollback", {"to": 1, "force": True})[0] == 422
    assert office.noted.entries == []


def test_who_may_see_more_or_less_after_a_rollback_is_on_record(office: Office) -> None:
    for parent, access in enumerate((NOBODY, PUBLIC)):
        tables = {"orders": TablePolicy(access=access)}
        office.store.publish(
            "prod",
            Snapshot({}, Manifest("shop", tables=tables)),
            parent=parent or None,
            reason="built",
        )
    assert office.ask("POST", "/manage/rollback", {"to": 1})[0] == 200
    [_, (actor, action, target, detail)] = office.noted.entries
    assert (actor, action, target) == ("user:root", "policy_changed", "prod:3")
    shown = {"of": "table orders", "what": "access", "before": "public", "after": "nobody"}
    assert detail == shown


def test_a_damaged_snapshot_is_rolled_back_from(office: Office) -> None:
    publish(office, "one", "two")
    head = office.store.head("prod")
    assert head is not None
    path = office.store.root / "objects" / head.snapshot
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    managing_anew = Store.open(office.store.root)
    office.faces = Faces(
        [Managing(Desk(office.accounts, "prod", office.noted), managing_anew, Passwords())]
    )
    assert office.ask("POST", "/manage/rollback", {"to": 1})[0] == 200
    assert [entry[1] for entry in office.noted.entries] == ["rolled_back"]
