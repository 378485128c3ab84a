"""Takes a folder and names of environments or snapshots, gives the store and what is published.

Only `headrace.toml` is read: a mistake in a model must not keep anybody from rolling back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headrace.base.declarations import Settings
from headrace.base.errors import ProjectError, UsageError
from headrace.base.names import is_environment
from headrace.pipeline.project.files import read_text
from headrace.pipeline.project.keys import Problems
from headrace.pipeline.project.loading import find_root
from headrace.pipeline.project.settings import SETTINGS_FILE, read_settings
from headrace.store.refs import unknown_environment
from headrace.store.snapshots import Ref, Snapshot
from headrace.store.store import Store


@dataclass(frozen=True, slots=True)
class Opened:
    """The settings and the store of a project."""

    root: Path
    settings: Settings
    store: Store

    def environment(self, name: str | None) -> str:
        """The environment that the user named, else the one of the settings."""
        return name or self.settings.environment

    def head(self, environment: str | None) -> Ref:
        """What is published in an environment.

        Raises:
            NotFound: nothing is.
        """
        name = self.environment(environment)
        ref = self.store.head(name)
        if ref is None:
            raise unknown_environment(name, self.store.environments())
        return ref

    def find(self, text: str, environment: str | None) -> Ref:
        """The snapshot that `text` names: "12", "dev" (its head) or "dev:12".

        Raises:
            UsageError: it is none of these.
            NotFound: there is no such snapshot.
        """
        name, colon, number = text.rpartition(":")
        if number.isdecimal() and bool(name) == bool(colon):
            return self.store.ref(name or self.environment(environment), int(number))
        if is_environment(text):
            return self.head(text)
        raise UsageError(
            f"{text!r} does not name a snapshot; expected a number, an environment, or both as in"
            " `prod:12`; `headrace snapshots` lists them"
        )

    def published(self, environment: str | None, number: int | None = None) -> Published:
        """A snapshot of an environment by its number, by default the one that is published."""
        if number is None:
            ref = self.head(environment)
        else:
            ref = self.store.ref(self.environment(environment), number)
        return Published(ref, self.store.snapshot(ref))


@dataclass(frozen=True, slots=True)
class Published:
    """A ref and the snapshot that it names."""

    ref: Ref
    snapshot: Snapshot


def open_project(folder: Path) -> Opened:
    """Open the project that `folder` is in.

    Raises:
        ProjectError: there is none, or its `headrace.toml` has mistakes.
    """
    root = find_root(folder.resolve())
    problems: Problems = []
    settings = read_settings(root, read_text(root, SETTINGS_FILE, problems) or "", problems)
    if problems:
        raise ProjectError(problems)
    return Opened(root, settings, Store.open(settings.store))
