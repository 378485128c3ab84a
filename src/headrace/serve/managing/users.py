"""Accounts by the management API, for admins: lists them, adds and changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import UNSET

from headrace.auth.accounts.directory import Account, Directory
from headrace.auth.signing_in.passwords import Passwords, require_good
from headrace.base.access import ADMIN, Access
from headrace.base.secrets import Secret
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused, problem, unfit
from headrace.serve.faces import FaceRequest, FaceRoute
from headrace.serve.managing.bodies import ChangedUser, NewUser, user_json
from headrace.serve.managing.handling import Desk, account_of, json_answer


@dataclass(frozen=True, slots=True)
class UserRoutes:
    """Beneath /manage/users; `passwords` hashes those that are set."""

    desk: Desk
    passwords: Passwords

    def routes(self, access: Access) -> Sequence[FaceRoute]:
        """For those who have `access`."""
        read, write = self.desk.without_body, self.desk.with_body
        one = "/manage/users/{name}"
        return (
            FaceRoute("GET", "/manage/users", access, read(self._users)),
            FaceRoute("POST", "/manage/users", access, write(NewUser, self._add_user)),
            FaceRoute("PATCH", one, access, write(ChangedUser, self._change_user)),
        )

    def _users(self, _: FaceRequest) -> Answer:
        directory = self.desk.accounts.directory()
        accounts = sorted(directory.accounts.values(), key=lambda account: account.name)
        return json_answer(200, {"users": [user_json(directory, account) for account in accounts]})

    def _add_user(self, request: FaceRequest, body: NewUser) -> Answer:
        if body.name in self.desk.accounts.directory().accounts:
            raise Refused(problem(409, "There is an account of this name already."))
        if body.password is not None and body.kind == "service":
            raise unfit("password", "one for a service", "none: a service has keys")
        account = Account(body.name, body.kind, body.roles, body.groups, body.claims)
        hashed = "" if body.password is None else self._hash(body.name, body.password)
        self.desk.accounts.add_account(account, hashed)
        detail = {"roles": " ".join(sorted(body.roles)), "groups": " ".join(sorted(body.groups))}
        self.desk.note(request, "account_added", body.name, **detail)
        return self._user_answer(201, body.name)

    def _change_user(self, request: FaceRequest, body: ChangedUser) -> Answer:
        name = request.parameters["name"]
        directory = self.desk.accounts.directory()
        before = account_of(directory, name)
        if before.id == request.principal.id:
            _require_still_admin(directory, before, body)
        hashed = ""
        if body.password is not UNSET:
            if before.kind == "service":
                raise unfit("password", "one for a service", "none: a service has keys")
            hashed = self._hash(name, body.password)
        if body.grants:
            self.desk.accounts.change_account(name, **body.grants)
            self.desk.note(request, "roles_changed", name, **body.detail)
        if body.disabled is not UNSET and body.disabled != before.disabled:
            (self.desk.accounts.disable if body.disabled else self.desk.accounts.enable)(name)
            self.desk.note(request, "account_changed", name, disabled=str(body.disabled).lower())
        if hashed:
            self.desk.accounts.set_password_hash(name, hashed)
            self.desk.note(request, "password_changed", name)
        if body.sign_out:
            self.desk.accounts.end_sessions(name)
            self.desk.note(request, "account_changed", name, signed_out="everywhere")
        return self._user_answer(200, name)

    def _user_answer(self, status: int, name: str) -> Answer:
        directory = self.desk.accounts.directory()
        return json_answer(status, user_json(directory, account_of(directory, name)))

    def _hash(self, name: str, password: str) -> str:
        secret = Secret(password)
        require_good(secret, name)
        return self.passwords.hash(secret)


def _require_still_admin(directory: Directory, own: Account, body: ChangedUser) -> None:
    """Raises Refused: 409, somebody would lock themselves out."""
    roles = own.roles if body.roles is UNSET else body.roles
    groups = own.groups if body.groups is UNSET else body.groups
    after = directory.roles_of(replace(own, roles=roles, groups=groups))
    if body.disabled is True or ADMIN not in after:
        raise Refused(problem(409, "You would lock yourself out; another admin has to do it."))
