"""API keys by the management API: all of them for admins, their own for everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account, KeyEntry
from headrace.base.access import Access
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import unfit
from headrace.serve.faces import FaceRequest, FaceRoute
from headrace.serve.managing.bodies import NewKey, NewOwnKey, key_json, principal_json
from headrace.serve.managing.handling import Desk, json_answer, key_of, no_key
from headrace.serve.managing.reach import Reach, own_account, reaches, within


@dataclass(frozen=True, slots=True)
class KeyRoutes:
    """Beneath /manage/keys and /manage/me."""

    desk: Desk

    def routes(self, access: Access, own: Access) -> Sequence[FaceRoute]:
        """All keys for those who have `access`, their own for those who have `own`."""
        read, write = self.desk.without_body, self.desk.with_body
        return (
            FaceRoute("GET", "/manage/keys", access, read(self._keys)),
            FaceRoute("POST", "/manage/keys", access, write(NewKey, self._add_key)),
            FaceRoute("DELETE", "/manage/keys/{id}", access, read(self._revoke_key)),
            FaceRoute("GET", "/manage/me", own, read(self._me)),
            FaceRoute("GET", "/manage/me/keys", own, read(self._own_keys)),
            FaceRoute("POST", "/manage/me/keys", own, write(NewOwnKey, self._add_own_key)),
            FaceRoute("DELETE", "/manage/me/keys/{id}", own, read(self._revoke_own_key)),
        )

    def _keys(self, _: FaceRequest) -> Answer:
        return self._key_list(self.desk.accounts.directory().keys.values())

    def _add_key(self, request: FaceRequest, body: NewKey) -> Answer:
        directory = self.desk.accounts.directory()
        account = directory.accounts.get(body.account)
        if account is None:
            raise unfit("account", repr(body.account), "the name of an account")
        if body.roles is not None and not body.roles <= directory.roles_of(account):
            raise unfit("roles", "a role that the account has not", "some of the account's roles")
        reach = Reach(body.scopes, body.roles, self._end(body))
        return self._made(request, account, reach, body.name)

    def _revoke_key(self, request: FaceRequest) -> Answer:
        key_id = request.parameters["id"]
        key_of(self.desk.accounts.directory(), key_id)
        return self._revoked(request, key_id)

    def _me(self, request: FaceRequest) -> Answer:
        return json_answer(200, principal_json(request.principal))

    def _own_keys(self, request: FaceRequest) -> Answer:
        directory = self.desk.accounts.directory()
        account = own_account(directory, request.principal)
        return self._key_list(key for key in directory.keys.values() if key.account == account.name)

    def _add_own_key(self, request: FaceRequest, body: NewOwnKey) -> Answer:
        directory = self.desk.accounts.directory()
        account = own_account(directory, request.principal)
        wanted = Reach(body.scopes, body.roles, self._end(body))
        reach = within(directory, request.principal, wanted, self.desk.accounts.now())
        return self._made(request, account, reach, body.name)

    def _revoke_own_key(self, request: FaceRequest) -> Answer:
        directory = self.desk.accounts.directory()
        account = own_account(directory, request.principal)
        key_id = request.parameters["id"]
        key = key_of(directory, key_id)
        if key.account != account.name or not reaches(directory, request.principal, key):
            raise no_key()
        return self._revoked(request, key_id)

    def _end(self, body: NewOwnKey) -> int:
        """When a wanted key ends, in seconds since 1970; 0 is never."""
        seconds = body.expires_in_seconds
        return self.desk.accounts.now() + seconds if seconds is not None else 0

    def _key_list(self, keys: Iterable[KeyEntry]) -> Answer:
        now = self.desk.accounts.now()
        ordered = sorted(keys, key=lambda key: (key.account, key.created_at, key.id))
        return json_answer(200, {"keys": [key_json(key, now) for key in ordered]})

    def _made(self, request: FaceRequest, account: Account, reach: Reach, name: str) -> Answer:
        secret, entry = new_key(self.desk.environment)
        entry = replace(
            entry,
            account=account.name,
            scopes=reach.scopes,
            roles=reach.roles,
            expires_at=reach.expires_at,
            name=name,
        )
        self.desk.accounts.add_key(entry)
        self.desk.note(request, "key_created", entry.id, account=account.name)
        kept = key_of(self.desk.accounts.directory(), entry.id)
        return json_answer(
            201, {"key": secret.reveal(), **key_json(kept, self.desk.accounts.now())}
        )

    def _revoked(self, request: FaceRequest, key_id: str) -> Answer:
        self.desk.accounts.revoke_key(key_id)
        self.desk.note(request, "key_revoked", key_id)
        return Answer(204, headers={"Cache-Control": "no-store"})
