"""What is asked of a compiled endpoint, as nouns: a request, and a request that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headrace.base.access import Principal
from headrace.serve.asking.parameters import Values
from headrace.serve.formats.forms import Form


class Request(NamedTuple):
    """One request to a compiled endpoint.

    Attributes:
        path: parameter -> text, from the route.
        query: (parameter, text) pairs of the URL, in order.
        format: of the answer.
        target: the path as it was sent, for a link to the next page.
    """

    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    format: Form
    target: bytes = b""


class Asked(NamedTuple):
    """A request that fits its endpoint; `path` is the endpoint's template.

    `tag` names all that the answer depends on, what `principal` may see of it included. `values`
    are those of the request and of the endpoint's scope; `active` are the cases of the scope that
    hold.
    """

    path: str
    request: Request
    values: Values
    tag: str
    principal: Principal
    active: frozenset[int] = frozenset()
