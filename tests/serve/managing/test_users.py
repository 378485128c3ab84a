"""Admins manage accounts by HTTP; nobody else does, and nothing slips in beside what is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.auth.accounts.directory import Account
from headrace.auth.signing_in.passwords import Passwords
from headrace.base.access import ANONYMOUS, Principal
from headrace.base.secrets import Secret
from tests.serve.managing.conftest import NOW, Office

PASSWORD = "correct horse battery staple"
ROUTES = [
    ("GET", "/manage/users"),
    ("POST", "/manage/users"),
    ("PATCH", "/manage/users/anna"),
    ("GET", "/manage/keys"),
    ("POST", "/manage/keys"),
    ("DELETE", "/manage/keys/x"),
    ("POST", "/manage/rollback"),
]
OWN_ROUTES = [
    ("GET", "/manage/me"),
    ("GET", "/manage/me/keys"),
    ("POST", "/manage/me/keys"),
    ("DELETE", "/manage/me/keys/x"),
]


def test_every_route_is_tested_here(office: Office) -> None:
    [routes] = office.faces._routes.values()
    faces = {(m, p) for m, p in [*ROUTES, *OWN_ROUTES]}
    for method, path in faces:
        found = routes.match(path.strip("/").split("/"))
        assert found is not None
        assert method in found.target
    assert len(faces) == 11


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_is_no_admin_is_told_nothing(office: Office, method: str, path: str) -> None:
    anna = Principal("user:anna", frozenset(["crm", "Admin", "admins"]), credential="session:ab")
    confined = Principal("user:root", frozenset(["admin"]), frozenset(["read"]), credential="key:x")
    for by in (anna, confined):
        status, body = office.ask(method, path, {}, by=by)
        assert (status, body["detail"]) == (
            404,
            "Nothing is served at this path; GET / lists what is.",
        )
    assert office.noted.entries == []


@pytest.mark.parametrize(("method", "path"), [*ROUTES, *OWN_ROUTES])
def test_nobody_known_gets_401(office: Office, method: str, path: str) -> None:
    assert office.ask(method, path, {}, by=ANONYMOUS)[0] == 401
    assert office.noted.entries == []


def test_the_scope_manage_opens_it_to_a_confined_key(office: Office) -> None:
    by = office.key("root", scopes=frozenset(["manage"]))
    assert office.ask("GET", "/manage/users", by=by)[0] == 200


def test_accounts_are_listed_without_anything_secret(office: Office) -> None:
    office.accounts.set_password_hash("anna", "$argon2id$secret")
    office.accounts.change_account("anna", groups=["south"])
    office.accounts.set_group("south", ["manager"])
    status, body = office.ask("GET", "/manage/users")
    assert status == 200
    assert body["users"][0] == {
        "name": "anna",
        "kind": "user",
        "roles": ["crm", "viewer"],
        "groups": ["south"],
        "all_roles": ["crm", "manager", "viewer"],
        "claims": {"store_id": 7},
        "disabled": False,
        "created_at": NOW,
    }
    assert [user["name"] for user in body["users"]] == ["anna", "root"]


def test_an_account_is_added(office: Office) -> None:
    status, body = office.ask(
        "POST",
        "/manage/users",
        {
            "name": "ben",
            "roles": ["crm"],
            "claims": {"stores": [1, 2], "tenant": "south"},
            "password": PASSWORD,
        },
    )
    assert (status, body["roles"], body["claims"]) == (
        201,
        ["crm"],
        {"stores": [1, 2], "tenant": "south"},
    )
    added = office.accounts.directory().accounts["ben"]
    assert added.claims == {"stores": (1, 2), "tenant": "south"}
    assert Passwords().verify(office.accounts.password_hash("ben"), Secret(PASSWORD)).matches
    [entry] = office.noted.entries
    assert entry == ("user:root", "account_added", "ben", {"roles": "crm", "groups": ""})


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"name": "ben", "admin": True}, "Object contains unknown field `admin`"),
        ({"name": "ben", "epoch": 9}, "Object contains unknown field `epoch`"),
        ({"name": "ben", "roles": "admin"}, "Expected `array`, got `str` - at `$.roles`"),
        ({}, "Object missing required field `name`"),
        ([], "Expected `object`, got `array`"),
        (b"{", "Input data was truncated"),
        (b"\xff", "JSON is malformed: invalid character (byte 0)"),
        ({"name": "Ben"}, "'Ben' cannot be an account's name"),
        ({"name": "ben", "roles": ["public"]}, "'public' cannot be a role's name"),
        ({"name": "ben", "claims": {"a b": 1}}, "'a b' cannot be a claim's name"),
        ({"name": "ben", "password": "short"}, "the password has 5 characters"),
    ],
)
def test_what_does_not_fit_is_refused_and_adds_nothing(
    office: Office, body: object, found: str
) -> None:
    before = office.accounts.revision()
    status, problem = office.ask("POST", "/manage/users", body)
    assert status == 422
    assert problem["errors"][0]["found"].startswith(found)
    assert office.accounts.revision() == before
    assert office.noted.entries == []


def test_a_service_has_no_password(office: Office) -> None:
    body = {"name": "loader", "kind": "service", "password": PASSWORD}
    assert office.ask("POST", "/manage/users", body)[0] == 422
    office.accounts.add_account(Account("loader", "service"))
    status, problem = office.ask("PATCH", "/manage/users/loader", {"password": PASSWORD})
    assert (status, problem["errors"][0]["expected"]) == (422, "none: a service has keys")


def test_an_account_cannot_be_added_twice(office: Office) -> None:
    status, body = office.ask("POST", "/manage/users", {"name": "anna"})
    assert (status, body["detail"]) == (409, "There is an account of this name already.")


def test_a_body_that_is_no_json_is_refused(office: Office) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert office.ask("POST", "/manage/users", {}, content_type=content_type)[0] == 415
    assert (
        office.ask(
            "PATCH", "/manage/users/anna", {}, content_type="Application/JSON; charset=utf-8"
        )[0]
        == 200
    )


def test_a_change_replaces_what_is_there_and_leaves_the_rest(office: Office) -> None:
    before = office.accounts.directory().accounts["anna"]
    status, body = office.ask(
        "PATCH",
        "/manage/users/anna",
        {"roles": ["crm"], "disabled": True, "password": PASSWORD, "sign_out": True},
    )
    assert (status, body["roles"], body["disabled"]) == (200, ["crm"], True)
    after = office.accounts.directory().accounts["anna"]
    assert after.claims == before.claims
    assert after.epoch > before.epoch
    assert [entry[1:] for entry in office.noted.entries] == [
        ("roles_changed", "anna", {"roles": "crm"}),
        ("account_changed", "anna", {"disabled": "true"}),
        ("password_changed", "anna", {}),
        ("account_changed", "anna", {"signed_out": "everywhere"}),
    ]
    assert office.ask("PATCH", "/manage/users/anna", {"disabled": False})[1]["disabled"] is False


def test_a_change_of_nothing_changes_nothing(office: Office) -> None:
    before = office.accounts.revision()
    assert office.ask("PATCH", "/manage/users/anna", {})[0] == 200
    assert (office.accounts.revision(), office.noted.entries) == (before, [])


def test_an_account_that_is_not_there_cannot_be_changed(office: Office) -> None:
    status, body = office.ask("PATCH", "/manage/users/ben", {"roles": []})
    assert (status, body["detail"]) == (404, "There is no account of this name.")


def test_nobody_locks_themselves_out(office: Office) -> None:
    bodies: list[dict[str, object]] = [{"roles": []}, {"groups": [], "roles": ["crm"]}]
    for body in [*bodies, {"disabled": True}]:
        status, problem = office.ask("PATCH", "/manage/users/root", body)
        assert (status, problem["detail"]) == (
            409,
            "You would lock yourself out; another admin has to do it.",
        )
    assert office.ask("PATCH", "/manage/users/root", {"roles": ["admin", "crm"]})[0] == 200
    office.accounts.set_group("staff", ["admin"])
    assert office.ask("PATCH", "/manage/users/root", {"roles": [], "groups": ["staff"]})[0] == 200


def test_a_broken_file_is_told_of_without_anything_internal(office: Office) -> None:
    office.accounts.close()
    status, body = office.ask("GET", "/manage/users")
    assert (status, body["detail"]) == (503, "The store cannot do this now.")


@pytest.mark.parametrize("credential", ["session:ab", "token:headrace"])
def test_who_was_made_no_admin_a_moment_ago_makes_no_other(office: Office, credential: str) -> None:
    """What a server has remembered of somebody is not asked when it is about accounts."""
    before = replace(office.session("root"), credential=credential)
    office.accounts.change_account("root", roles=["crm"])
    for method, path, body in [
        ("POST", "/manage/users", {"name": "eve", "roles": ["admin"]}),
        ("PATCH", "/manage/users/root", {"roles": ["admin"]}),
        ("POST", "/manage/keys", {"account": "root"}),
        ("POST", "/manage/me/keys", {}),
    ]:
        assert office.ask(method, path, body, by=before)[0] == 401
    assert "eve" not in office.accounts.directory().accounts
    assert office.accounts.directory().accounts["root"].roles == {"crm"}
