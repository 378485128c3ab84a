"""Keys by HTTP: shown once, never broader than their account or the credential that asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.auth.accounts.api_keys import is_key, verify
from headrace.base.access import Principal
from headrace.base.clock import SetClock
from headrace.serve.managing import reach
from tests.serve.managing.conftest import NOW, Office


def test_an_admin_makes_lists_and_revokes_keys(office: Office) -> None:
    status, made = office.ask(
        "POST",
        "/manage/keys",
        {"account": "anna", "roles": ["crm"], "expires_in_seconds": 60, "name": "nightly"},
    )
    assert status == 201
    key = made.pop("key")
    assert is_key(key)
    assert made == {
        "id": key.split("_")[2],
        "account": "anna",
        "environment": "prod",
        "name": "nightly",
        "scopes": None,
        "roles": ["crm"],
        "state": "active",
        "created_at": NOW,
        "expires_at": NOW + 60,
        "last_used_at": 0,
        "revoked_at": 0,
    }
    assert office.ask("GET", "/manage/keys") == (200, {"keys": [made]})
    found = verify(office.accounts.directory(), key.encode(), "prod", NOW)
    assert found is not None
    assert found.id == "user:anna"
    assert office.ask("DELETE", f"/manage/keys/{made['id']}") == (204, None)
    assert office.ask("DELETE", f"/manage/keys/{made['id']}") == (204, None)
    assert verify(office.accounts.directory(), key.encode(), "prod", NOW) is None
    assert [entry[:3] for entry in office.noted.entries[:2]] == [
        ("user:root", "key_created", made["id"]),
        ("user:root", "key_revoked", made["id"]),
    ]
    assert key.split("_")[3] not in str(office.noted.entries)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"account": "ben"}, "account"),
        ({"account": "anna", "roles": ["admin"]}, "roles"),
        ({"account": "anna", "scopes": ["a b"]}, "body"),
        ({"account": "anna", "expires_in_seconds": 0}, "body"),
        ({"account": "anna", "environment": "dev"}, "body"),
        ({"account": "anna", "name": "a\nb"}, "body"),
        ({}, "body"),
    ],
)
def test_a_key_that_cannot_be_is_refused(office: Office, body: object, parameter: str) -> None:
    status, problem = office.ask("POST", "/manage/keys", body)
    assert (status, problem["errors"][0]["parameter"]) == (422, parameter)
    assert office.accounts.directory().keys == {}


def test_a_key_that_is_not_there_cannot_be_revoked(office: Office) -> None:
    status, body = office.ask("DELETE", "/manage/keys/nothing")
    assert (status, body["detail"]) == (404, "There is no key of this id.")


def test_who_asks_is_told_who_they_are(office: Office) -> None:
    anna = office.key("anna", roles=frozenset(["crm"]), scopes=frozenset(["read"]))
    assert office.ask("GET", "/manage/me", by=anna) == (
        200,
        {
            "id": "user:anna",
            "roles": ["crm"],
            "scopes": ["read"],
            "claims": {"store_id": 7},
            "credential": anna.credential,
            "expires_at": 0,
        },
    )


def test_everybody_has_their_own_keys_and_no_others(office: Office) -> None:
    office.key("root")
    anna = office.session("anna")
    status, made = office.ask("POST", "/manage/me/keys", {"name": "mine"}, by=anna)
    assert (status, made["account"], made["scopes"], made["roles"]) == (201, "anna", None, None)
    del made["key"]
    assert office.ask("GET", "/manage/me/keys", by=anna) == (200, {"keys": [made]})
    [others] = [key for key in office.accounts.directory().keys.values() if key.account == "root"]
    refused = office.ask("DELETE", f"/manage/me/keys/{others.id}", by=anna)
    missing = office.ask("DELETE", "/manage/me/keys/nothing", by=anna)
    assert refused[0] == missing[0] == 404
    assert refused[1]["detail"] == missing[1]["detail"]
    assert office.ask("DELETE", f"/manage/me/keys/{made['id']}", by=anna) == (204, None)
    assert office.accounts.directory().keys[others.id].revoked_at == 0


@pytest.mark.parametrize("body", [{"account": "root"}, {"admin": True}, {"expires_at": 0}])
def test_nobody_asks_for_more_than_there_is_to_ask_for(office: Office, body: object) -> None:
    status, problem = office.ask("POST", "/manage/me/keys", body, by=office.session("anna"))
    assert status == 422
    assert problem["errors"][0]["found"].startswith("Object contains unknown field")
    assert problem["errors"][0]["expected"] == (
        "a JSON object of `scopes`, `roles`, `expires_in_seconds`, `name`"
    )


def test_a_key_is_never_broader_than_the_account(office: Office) -> None:
    status, problem = office.ask(
        "POST", "/manage/me/keys", {"roles": ["crm", "admin"]}, by=office.session("anna")
    )
    assert (status, problem["errors"]) == (
        422,
        [{"parameter": "roles", "found": "`admin`", "expected": "some of `crm`, `viewer`"}],
    )


def test_a_key_is_never_broader_than_the_one_that_asks(office: Office) -> None:
    narrow = {
        "roles": frozenset(["crm", "viewer"]),
        "scopes": frozenset(["read"]),
        "expires_at": NOW + 60,
    }
    by = office.key("anna", **narrow)
    for wanted in ({}, {"expires_in_seconds": 3600}, {"roles": ["crm"], "scopes": []}):
        status, made = office.ask("POST", "/manage/me/keys", wanted, by=by)
        assert status == 201
        key = office.accounts.directory().keys[made["id"]]
        assert (key.roles or {"all"}) <= {"crm", "viewer"}
        assert key.scopes is not None
        assert key.scopes <= {"read"}
        assert key.expires_at == NOW + 60
    for wanted in ({"scopes": ["read", "write"]}, {"roles": ["admin"]}):
        assert office.ask("POST", "/manage/me/keys", wanted, by=by)[0] == 422
    # What the account is given later is not the narrow key's, although it had all roles then.
    office.accounts.change_account("anna", roles=["crm", "viewer", "admin"])
    assert all(key.roles is not None for key in office.accounts.directory().keys.values())


def test_a_narrow_key_ends_no_broader_one(office: Office) -> None:
    """Whoever has found one must not end those that matter."""
    wide = office.key("anna")
    by_scope = office.key("anna", scopes=frozenset(["read"]))
    by_role = office.key("anna", roles=frozenset(["crm"]))
    ids = {each: each.credential.removeprefix("key:") for each in (wide, by_scope, by_role)}

    def revoked(key: Principal, by: Principal) -> int:
        status, _ = office.ask("DELETE", f"/manage/me/keys/{ids[key]}", by=by)
        assert (status == 204) == bool(office.accounts.directory().keys[ids[key]].revoked_at)
        return status

    assert [revoked(key, by_scope) for key in (wide, by_role)] == [404, 404]
    assert revoked(wide, by_role) == 404
    assert revoked(by_scope, by_scope) == 204
    assert revoked(by_role, wide) == 204
    assert revoked(wide, office.session("anna")) == 204


def test_a_key_of_a_key_that_has_all_roles_has_them_all(office: Office) -> None:
    _, made = office.ask("POST", "/manage/me/keys", {}, by=office.key("anna"))
    assert (made["roles"], made["scopes"], made["expires_at"]) == (None, None, 0)


def test_a_token_makes_no_key_that_outlives_it(office: Office) -> None:
    token = replace(office.session("anna"), credential="token:headrace", expires_at=NOW + 900.0)
    _, made = office.ask("POST", "/manage/me/keys", {"expires_in_seconds": 86_400}, by=token)
    assert (made["expires_at"], made["roles"]) == (NOW + 900, ["crm", "viewer"])
    _, signed_in = office.ask("POST", "/manage/me/keys", {}, by=office.session("anna"))
    assert signed_in["expires_at"] == 0


def test_a_key_that_was_revoked_a_moment_ago_changes_nothing(office: Office) -> None:
    by, admin = office.key("anna"), office.key("root")
    for each in (by, admin):
        office.accounts.revoke_key(each.credential.removeprefix("key:"))
    before = office.accounts.revision()
    assert office.ask("POST", "/manage/me/keys", {}, by=by)[0] == 401
    assert office.ask("POST", "/manage/users", {"name": "eve"}, by=admin)[0] == 401
    assert office.ask("DELETE", "/manage/keys/x", by=admin)[0] == 401
    assert office.accounts.revision() == before
    disabled = office.key("anna")
    office.accounts.disable("anna")
    assert office.ask("POST", "/manage/me/keys", {}, by=disabled)[0] == 401


def test_who_has_no_account_here_has_no_keys(office: Office) -> None:
    for name in ("https://issuer.example|anna", "service:anna", "user:ben"):
        by = Principal(name, frozenset(["admin"]), credential="token:https://issuer.example")
        status, body = office.ask("POST", "/manage/me/keys", {}, by=by)
        assert (status, body["detail"]) == (
            404,
            "You have no account here; your token's issuer knows you.",
        )
        assert office.ask("GET", "/manage/me", by=by)[1]["id"] == name


def test_there_is_an_end_of_keys(
    office: Office, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "MOST_KEYS", 2)
    anna = office.session("anna")

    def ask() -> tuple[int, str]:
        status, body = office.ask("POST", "/manage/me/keys", {}, by=anna)
        return status, body.get("detail") or body["id"]

    made = [ask()[1] for _ in range(2)]
    assert ask() == (409, "You have 2 keys; revoke one first.")
    for key in made:
        assert office.ask("DELETE", f"/manage/me/keys/{key}", by=anna) == (204, None)
    assert ask() == (409, "You have made 2 keys in a day; wait a while.")
    clock.advance(86_400)
    assert ask()[0] == 201
