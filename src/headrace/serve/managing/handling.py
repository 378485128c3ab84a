"""How a request to the management API is handled: takes what is to be done, gives a handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import Account, Directory, KeyEntry
from headrace.auth.recording import Audit
from headrace.auth.tokens.own_tokens import OWN_NAME
from headrace.base.access import Principal
from headrace.base.errors import Conflict, NotFound, StoreError, UsageError
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused, problem, unavailable, unfit
from headrace.serve.faces import FaceRequest, Handler
from headrace.serve.gate import unauthenticated
from headrace.serve.messages import request_id

_JSON = "application/json"
_HEADERS = {"Content-Type": _JSON, "Cache-Control": "no-store"}

Body = TypeVar("Body", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every part of the management API works with.

    Attributes:
        accounts: of the store.
        environment: which is served: keys are for it, and it is rolled back.
        audit: is told of everything that is changed.
    """

    accounts: Accounts
    environment: str
    audit: Audit

    def without_body(self, do: Callable[[FaceRequest], Answer]) -> Handler:
        """A handler of a request without a body; what is done is done in a thread."""

        async def handle(request: FaceRequest) -> Answer:
            return await asyncio.to_thread(self._answered, request, lambda: do(request))

        return handle

    def with_body(self, form: type[Body], do: Callable[[FaceRequest, Body], Answer]) -> Handler:
        """A handler of a request whose body is the JSON of `form`."""
        decoder = msgspec.json.Decoder(form)
        fields = ", ".join(f"`{each.encode_name}`" for each in msgspec.structs.fields(form))

        async def handle(request: FaceRequest) -> Answer:
            if request.header(b"content-type").partition(";")[0].strip().lower() != _JSON:
                raise Refused(problem(415, f"The body is to be JSON, with Content-Type: {_JSON}."))
            body = await request.body()
            try:
                decoded = decoder.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
                raise unfit("body", str(exc), f"a JSON object of {fields}") from exc
            return await asyncio.to_thread(self._answered, request, lambda: do(request, decoded))

        return handle

    def note(self, request: FaceRequest, action: str, target: str, **detail: str) -> None:
        """Have on record what somebody has done."""
        self.audit(
            request.principal,
            action,
            target,
            detail,
            address=request.address,
            request=request_id(request.scope),
        )

    def _answered(self, request: FaceRequest, do: Callable[[], Answer]) -> Answer:
        """What a call gives, or a refusal that says what is wrong with it, and nothing internal."""
        try:
            if request.scope["method"] != "GET":
                self._require_valid(request.principal)
            return do()
        except UsageError as exc:
            raise unfit("body", str(exc), "what can be kept") from exc
        except NotFound as exc:
            raise Refused(problem(404, "There is no such thing, or no more.")) from exc
        except Conflict as exc:
            raise Refused(problem(409, "Somebody else has published; look again.")) from exc
        except StoreError as exc:
            raise Refused(unavailable("The store cannot do this now.", "store")) from exc

    def _require_valid(self, principal: Principal) -> None:
        """Make sure that nothing of it was taken away a moment ago: whoever lost a key must not
        make another, and who is no admin any more must not make one.

        Raises:
            Refused: 401, something was.
        """
        if not _holds(self.accounts.directory(), principal, self.accounts.now()):
            raise unauthenticated("revoked a moment ago")


def _holds(directory: Directory, principal: Principal, now: float) -> bool:
    """Whether somebody is still whom a credential has proven; of other issuers only they know."""
    kind, _, key_id = principal.credential.partition(":")
    if "|" in principal.id or (kind == "token" and key_id != OWN_NAME):
        return True
    account = directory.accounts.get(principal.id.partition(":")[2])
    if account is None or account.id != principal.id or account.disabled:
        return False
    key = directory.keys.get(key_id)
    is_active = kind != "key" or (key is not None and key.state(now) == "active")
    return is_active and principal.roles <= directory.roles_of(account)


def json_answer(status: int, body: object) -> Answer:
    """An answer of JSON that nobody keeps."""
    return Answer(status, msgspec.json.encode(body), _HEADERS)


def account_of(directory: Directory, name: str) -> Account:
    """The account of a name. Raises Refused: 404, there is none."""
    found = directory.accounts.get(name)
    if found is None:
        raise Refused(problem(404, "There is no account of this name."))
    return found


def key_of(directory: Directory, key_id: str) -> KeyEntry:
    """The key of an id. Raises Refused: 404, there is none."""
    found = directory.keys.get(key_id)
    if found is None:
        raise no_key()
    return found


def no_key() -> Refused:
    """The same for a key that is not there and for somebody else's."""
    return Refused(problem(404, "There is no key of this id."))
