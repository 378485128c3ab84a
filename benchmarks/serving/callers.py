"""Who asks headrace: takes a project, lets somebody in, gives the requests that they would send."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.issuing import Signer
from benchmarks.measuring import HEADRACE, run
from benchmarks.serving.load import get
from benchmarks.serving.ours import KEY_SET, OWN, READER, READERS, TENANT, target
from benchmarks.serving.questions import Question
from benchmarks.serving.report import OURS, WHATS, WITH_KEY, WITH_POLICY, WITH_TOKEN


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks, on a line of the table.

    Attributes:
        title: of the line.
        headers: that prove who it is.
        prefix: with which the endpoints begin that are there for them.
        asks: what of `WHATS`.
    """

    title: str
    headers: tuple[str, ...] = field(default=(), repr=False)
    prefix: str = ""
    asks: tuple[str, ...] = WHATS

    def get(self, target: str, *headers: str) -> bytes:
        """A request to a target, as everybody else would write it."""
        return get(f"/{self.prefix}{target.removeprefix('/')}", *self.headers, *headers)

    def request(self, question: Question) -> bytes:
        """A question as a request."""
        return self.get(target(question))


NOBODY = Caller(OURS)


def let_in(project: Path) -> list[Caller]:
    """Those who come with an API key, with a token, and with a key to rows of their own.

    The token's issuer is one of `headrace.toml`; its keys are in a file of the project.
    """
    signer = Signer.make("RS256")
    (project / KEY_SET).write_text(signer.key_set())
    key = _bearer(_new_key(project))
    token = _bearer(signer.token("reader", (READER,), TENANT))
    return [
        Caller(WITH_KEY, (key,), READERS),
        Caller(WITH_TOKEN, (token,), READERS),
        Caller(WITH_POLICY, (key,), OWN, ("P", "A")),
    ]


def _new_key(project: Path) -> str:
    claim = f"tenant={TENANT}"
    added = ["users", "add", "reader", "--service", "--role", READER, "--claim", claim]
    run([HEADRACE, *added], project)
    return _said(project, "keys", "create", "reader").strip()


def _bearer(credential: str) -> str:
    return f"Authorization: Bearer {credential}"


def access_path(project: Path, endpoint: str) -> str:
    """How an endpoint is answered: "keyed", "columnar", or "keyed, without a copy"."""
    said = json.loads(_said(project, "explain", endpoint, "--json"))
    path = str(said["access_path"])
    return path if path != "keyed" or said["copy"] else "keyed, without a copy"


def _said(project: Path, *arguments: str) -> str:
    command = [HEADRACE, *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}: {done.stderr}")
    return done.stdout
