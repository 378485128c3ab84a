"""What requests to sign in hold: takes bodies and redirect targets, gives values that are safe."""

from __future__ import annotations

import re
from typing import Literal, TypeVar

import msgspec

from headrace.serve.answering.problems import Refused, problem
from headrace.serve.faces import FaceRequest
from headrace.serve.forgery import FORM, JSON, content_type, form_fields

_Body = TypeVar("_Body", bound=msgspec.Struct)

HOME = "/console"
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked of /auth/token: a name and a password, or a refresh token, or, with an API key
    in the Authorization header, `client_credentials`.
    """

    name: str = ""
    password: str = ""
    refresh_token: str = ""
    grant_type: Literal["", "password", "refresh_token", "client_credentials"] = ""


class RevokeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked of /auth/revoke."""

    token: str


async def read_token_request(request: FaceRequest) -> TokenRequest:
    """The body of a request for tokens.

    Raises:
        Refused: 415 or 422, it is none.
        ClientGone: the client has left.
    """
    return _decoded(await _json(request), TokenRequest)


async def read_revoke_request(request: FaceRequest) -> RevokeRequest:
    """The body of a request to revoke a token. Raises as `read_token_request` does."""
    return _decoded(await _json(request), RevokeRequest)


async def read_form(request: FaceRequest) -> dict[str, str]:
    """The fields of a page's form.

    Raises:
        Refused: 415 or 422, it is none.
        ClientGone: the client has left.
    """
    if content_type(request.scope) != FORM:
        raise Refused(problem(415, f"The body is {FORM}."))
    return form_fields(await request.body())


def own_path(target: str) -> str:
    """Where to go after signing in: `target`, when it is a path of ours, or else the console."""
    return target if _OWN_PATH.fullmatch(target) else HOME


async def _json(request: FaceRequest) -> bytes:
    if content_type(request.scope) != JSON:
        raise Refused(problem(415, f"The body is {JSON}."))
    return await request.body()


def _decoded(body: bytes, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        # Of the message, only what names fields: never a value that was sent.
        fields = ", ".join(f"`{name}`" for name in kind.__struct_fields__)
        detail = f"The body does not fit; expected a JSON object of texts: {fields}."
        raise Refused(problem(422, detail)) from exc
