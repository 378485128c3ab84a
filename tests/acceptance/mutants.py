"""The matrix against mutants: takes a published store and guards, gives what became of the code
without each of them.

Run as `python -m tests.acceptance.mutants STORE`, with names of guards on stdin; one JSON object a
line comes out. Each mutant is a fork of a process that has imported everything and begun nothing,
and works on a copy of the store.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

from tests.acceptance.guards import Guard, guards, path_of, without
from tests.acceptance.matrix_project import Matrix
from tests.acceptance.route_matrix import first_difference

_AT_ONCE = 2
_MOST_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        name: of the guard that it has not; "" for the code as it is.
        verdict: "killed" by a difference, "survived", or "broken": it could not be asked.
        detail: the first difference, or what broke.
    """

    name: str
    verdict: str
    detail: str = ""


def mutate(guard: Guard) -> None:
    """Take a guard out of this process, whoever has imported its function already.

    Raises:
        LookupError: what the guard is in cannot be found.
    """
    code = compile(without(guard), str(path_of(guard.module)), "exec")
    # A function inside another one is part of that one's code.
    owner: object = importlib.import_module(guard.module)
    for name in guard.where.split("."):
        code = next(it for it in code.co_consts if isinstance(it, CodeType) and it.co_name == name)
        owner = inspect.getattr_static(owner, name)
        if not isinstance(owner, type):
            break
    _function(owner).__code__ = code


def _function(found: object) -> FunctionType:
    """The function of a method, a property or whatever else is made of one."""
    for name in ("fget", "__func__", "__wrapped__", "func"):
        if not isinstance(found, FunctionType) or hasattr(found, "__wrapped__"):
            found = getattr(found, name, found)
    if not isinstance(found, FunctionType):
        raise LookupError(found)
    return found


def outcomes(store: Path, wanted: Sequence[Guard]) -> Iterator[Outcome]:
    """What becomes of each; the code as it is goes first."""
    with tempfile.TemporaryDirectory() as folder:
        under_way: list[_Child] = []
        for number, guard in enumerate([None, *wanted]):
            if len(under_way) >= _AT_ONCE:
                yield _end(under_way.pop(0))
            under_way.append(_begin(guard, store, Path(folder) / str(number)))
        for each in under_way:
            yield _end(each)


@dataclass(frozen=True)
class _Child:
    pid: int
    pipe: int
    name: str
    copy: Path


def _begin(guard: Guard | None, store: Path, copy: Path) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        signal.alarm(_MOST_SECONDS)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            said = _asked(guard, store, copy)
        # Whatever it is, it is told.
        except Exception:  # noqa: BLE001
            said = ["broken", traceback.format_exc()]
        os.write(writing, json.dumps(said).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    return _Child(pid, reading, guard.name if guard else "", copy)


def _end(child: _Child) -> Outcome:
    with os.fdopen(child.pipe, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child.pid, 0)
    shutil.rmtree(child.copy, ignore_errors=True)
    if not text:
        return Outcome(child.name, "broken", f"no answer within {_MOST_SECONDS} s")
    return Outcome(child.name, *json.loads(text))


def _asked(guard: Guard | None, store: Path, copy: Path) -> list[str]:
    if guard is not None:
        mutate(guard)
    difference = first_difference(Matrix.read(store).copied(copy))
    return ["survived" if difference is None else "killed", difference or ""]


def main() -> None:
    """Read names, print outcomes."""
    by_name = {each.name: each for each in guards()}
    wanted = [by_name[line.rstrip("\n")] for line in sys.stdin]
    for each in outcomes(Path(sys.argv[1]), wanted):
        print(json.dumps([each.name, each.verdict, each.detail]), flush=True)


if __name__ == "__main__":
    main()
