"""A rollback by HTTP happens once, however often it is asked for."""

from __future__ import annotations

from headrace.store.snapshots import Manifest, Snapshot
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
        ("user:root", "rolled_back", "prod", {"reason": "rollback to 1"})
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
