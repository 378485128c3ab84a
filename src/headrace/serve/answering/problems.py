"""Refusals and failures as application/problem+json (RFC 9457): takes what went wrong, gives an
answer that says so without anything internal.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from headrace.serve.answering.answers import Answer

_KIND = "urn:headrace:problem:"
_INSTANCE = "urn:uuid:"
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class ParameterError:
    """What is wrong with one parameter: what was found, and what would have been right."""

    parameter: str
    found: str
    expected: str


class Refused(Exception):
    """A request that ends here, with `answer`; `denied` says that whoever asks may not."""

    def __init__(self, answer: Answer, *, denied: bool = False) -> None:
        self.answer = answer
        self.denied = denied
        super().__init__(answer.status)


def problem(
    status: int,
    detail: str,
    *,
    kind: str = "",
    errors: Iterable[ParameterError] = (),
    headers: Mapping[str, str] | None = None,
    instance: str = "",
) -> Answer:
    """An answer of `status` that says why.

    Args:
        status: the HTTP status.
        detail: one sentence for the client's developer.
        kind: last part of the problem's type, for clients that tell problems apart; "" when the
            status says it all.
        errors: what is wrong with each parameter.
        headers: in addition.
        instance: what the log calls this occurrence; "" when the log says nothing of it.
    """
    instance = instance or new_instance()
    body: dict[str, object] = {
        "type": _KIND + kind if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    if listed_errors := list(errors):
        body["errors"] = listed_errors
    return Answer(
        status,
        msgspec.json.encode(body),
        {
            "Content-Type": "application/problem+json",
            "Cache-Control": "no-store",
            "X-Request-Id": instance.removeprefix(_INSTANCE),
            **(headers or {}),
        },
    )


def parameter_problem(errors: Iterable[ParameterError]) -> Answer:
    """422 with everything that is wrong with the parameters."""
    found = list(errors)
    count = f"{len(found)} parameters do" if len(found) > 1 else "One parameter does"
    return problem(422, f"{count} not fit.", kind="parameters", errors=found)


def unfit(parameter: str, found: str, expected: str) -> Refused:
    """A refusal of one parameter, to be raised."""
    return Refused(parameter_problem([ParameterError(parameter, found, expected)]))


def not_found() -> Answer:
    """404: nothing has this path."""
    return problem(404, "Nothing is served at this path; GET / lists what is.")


def not_allowed(allowed: str) -> Answer:
    """405: the path is served, but not by this method."""
    return problem(405, f"This path answers {allowed}.", headers={"Allow": allowed})


def unavailable(detail: str, kind: str, *, retry_seconds: int = 1) -> Answer:
    """503 with Retry-After."""
    return problem(503, detail, kind=kind, headers={"Retry-After": str(retry_seconds)})


def internal(instance: str) -> Answer:
    """500: something of ours broke; the log has the rest, under the same `instance`."""
    detail = "The answer could not be made; the server's log says why."
    return problem(500, detail, instance=instance)


def new_instance() -> str:
    """A name for one occurrence of a problem."""
    return f"{_INSTANCE}{uuid.uuid4()}"


def shown(text: str) -> str:
    """A client's text for an error message: quoted, and cut short when it is long."""
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]!r}… ({len(text)} characters)"
    return repr(text)
