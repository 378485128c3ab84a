"""Secrets: takes a reference such as `env:NAME`, gives the value, which never prints itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from headrace.base.errors import UsageError


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Secret:
    """A text that must be seen nowhere; `reveal` it where it is used, and keep it nowhere else."""

    _value: str

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _: str) -> str:
        return "***"


def read_secret(reference: str, what: str, root: Path | None = None) -> Secret:
    """The secret that `env:NAME` or `file:PATH` refers to; without the line end of a file.

    Args:
        reference: never the secret itself.
        what: is read, for the error: "headrace.toml: client_secret".
        root: the folder that a relative path starts in; None is the current one.

    Raises:
        UsageError: it is no reference, or there is nothing there.
    """
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        value = os.environ.get(name, "")
        if not value:
            raise UsageError(f"{what}: the variable {name} is not set; set it to the secret")
    elif kind == "file" and name:
        try:
            value = (root or Path()).joinpath(name).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"{what}: the file {name} cannot be read; expected a secret") from exc
    else:
        raise UsageError(
            f"{what}: expected a reference to a secret, `env:NAME` or `file:PATH`, not the secret"
            " itself"
        )
    return Secret(value)
