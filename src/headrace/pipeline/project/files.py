"""Files of a project: takes its root, gives the text of each file and what kind it is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.base.errors import Place, Problem
from headrace.base.names import is_name, listed
from headrace.base.tables import TAKEN_SUFFIXES
from headrace.pipeline.project.keys import Problems

FOLDERS: Mapping[str, tuple[str, ...]] = {
    "sources": (".yaml",),
    "models": (".sql", ".py"),
    "endpoints": (".sql", ".py"),
    "checks": (".sql",),
}
_MEANT = {".yml": ".yaml", ".SQL": ".sql", ".YAML": ".yaml", ".PY": ".py", ".json": ".yaml"}


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """One file that declares something: "models", ".sql", "daily", "models/daily.sql", its text."""

    folder: str
    ending: str
    name: str
    path: str
    text: str


def find_declared(root: Path, problems: Problems) -> list[DeclaredFile]:
    """Every file that declares something, sorted by path, and a problem for each that cannot."""
    return [
        file
        for folder in FOLDERS
        for path in sorted(_walk(root, folder, problems))
        if (file := _declared(root, folder, path, problems)) is not None
    ]


def _walk(root: Path, folder: str, problems: Problems) -> Iterator[str]:
    """Paths below a folder, relative to the root; hidden names and those with `_` are left out."""
    top = root / folder
    if not top.is_dir():
        if top.exists():
            problems.append(Problem(Place(folder), "this is a file", "a folder of that name"))
        return

    def on_error(exc: OSError) -> None:
        place = Path(exc.filename).relative_to(root).as_posix()
        problems.append(Problem(Place(place), f"this folder cannot be read: {exc.strerror}"))

    for base, folders, names in os.walk(top, onerror=on_error):
        relative = Path(base).relative_to(root).as_posix()
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        for name in folders:
            if (Path(base) / name).is_symlink():
                problems.append(
                    Problem(Place(f"{relative}/{name}"), "this is a link to a folder", "a folder")
                )
        yield from (f"{relative}/{name}" for name in names if not name.startswith(("_", ".")))


def _declared(root: Path, folder: str, path: str, problems: Problems) -> DeclaredFile | None:
    stem, ending = Path(path).stem, Path(path).suffix
    if ending not in FOLDERS[folder]:
        problems.append(_unexpected(path, stem, folder, ending))
        return None
    if not _check_name(stem, path, problems):
        return None
    text = read_text(root, path, problems)
    return None if text is None else DeclaredFile(folder, ending, stem, path, text)


def _unexpected(path: str, stem: str, folder: str, ending: str) -> Problem:
    allowed = FOLDERS[folder]
    meant = _MEANT.get(ending, "")
    fix = "move it elsewhere, or begin its name with `_`"
    if meant in allowed:
        fix = f"rename it to `{stem}{meant}`"
    return Problem(Place(path), f"`{folder}/` does not hold such files", f"{listed(allowed)}", fix)


def _check_name(stem: str, path: str, problems: Problems) -> bool:
    if not is_name(stem):
        expected = "letters, digits and underscores, at most 100, and no digit first"
        problems.append(Problem(Place(path), f"{stem!r} cannot be a name", expected))
        return False
    if stem.lower().endswith(TAKEN_SUFFIXES):
        found = f"names that end in {listed(TAKEN_SUFFIXES)} are taken"
        fix = "such tables come with a source; rename the file"
        problems.append(Problem(Place(path), found, "another name", fix))
        return False
    return True


def read_text(root: Path, path: str, problems: Problems) -> str | None:
    """The text of a UTF-8 file, with or without BOM, with `\\n` at the end of each line."""
    file = root / path
    try:
        if file.exists() and not file.is_file():
            problems.append(Problem(Place(path), "this is not a file", "a file with text"))
            return None
        data = file.read_bytes()
    except OSError as exc:
        problems.append(Problem(Place(path), f"this file cannot be read: {exc.strerror}"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        found = f"the byte 0x{data[exc.start]:02x} is not UTF-8"
        problems.append(Problem(Place(path, line), found, "UTF-8", "save the file as UTF-8"))
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
