"""A change of the API's contract as a noun: what its users will see, and whether it breaks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# How far back the calls of an endpoint are counted.
CALLS_DAYS = 30

Part: TypeAlias = Literal[
    "endpoint",
    "access",
    "path",
    "name",
    "field",
    "parameter",
    "limit",
    "filter",
    "sort",
    "access path",
    "deprecated",
    "sunset",
    "router",
]


@dataclass(frozen=True, slots=True)
class ContractChange:
    """What a user of the API will see.

    Attributes:
        endpoint: the endpoint's name; of a router, its file.
        kind: of the endpoint itself: "changed" is everything but its coming and going.
        detail: the change in words.
        what: which part of the contract it is.
        name: of the field or parameter; "" for what has no name of its own.
        before, after: the part's description; "" where there is none.
        path: where the endpoint is deployed; of a new one, where it will be; "" for a router.
        breaking: whether a user who does what was right before may fail after.
        calls: of the last 30 days, as far as they were counted; None when that is not known.
    """

    endpoint: str
    kind: Literal["added", "removed", "changed"]
    detail: str
    what: Part = "endpoint"
    name: str = ""
    before: str = ""
    after: str = ""
    path: str = ""
    breaking: bool = False
    calls: int | None = None

    def __str__(self) -> str:
        note = self.note
        return f"{self.endpoint}: {self.said}{f' - {note}' if note else ''}"

    @property
    def said(self) -> str:
        """The change in words that need no table around them."""
        return self.detail if self.kind == "changed" else f"{self.detail} {self.kind}"

    @property
    def note(self) -> str:
        """What a breaking change means for how many; "" for one that breaks nobody."""
        if not self.breaking:
            return ""
        if self.calls is None:
            return "breaking"
        count = f"{self.calls:,}" if self.calls else "no"
        noun = "call" if self.calls == 1 else "calls"
        return f"breaking, {count} {noun} in the last {CALLS_DAYS} days"
