"""What happens to each file of three public collections of odd files, as a table of Markdown.

`python -m tests.sources.conformance FOLDER` writes docs/input-conformance.md anew; FOLDER holds
`csv_spectrum`, `csvkit_examples` and `json_test_suite`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.base.errors import HeadraceError
from headrace.sources.inference import infer_source
from tests.sources.reading_files import Loaded, load

PAGE = Path(__file__).parents[2] / "docs" / "input-conformance.md"
COLLECTIONS = ("csv_spectrum/csvs", "csvkit_examples", "json_test_suite/test_parsing")
INTRODUCTION = """\
# Input conformance

What becomes of each file of three public collections of odd files: [csv-spectrum], the examples of
[csvkit], and the parsing tests of [JSONTestSuite] (`y_` must be accepted, `n_` must not, `i_` is
free). Each is read alone, by the contract that `headrace sources infer` writes for it. A test
compares this page with what happens, and the cells that load with those of an independent reader.

JSON that is valid but is no object is refused, or set aside row by row: a table has columns, and a
number or a list has none. See [sources](sources.md).

[csv-spectrum]: https://github.com/maxogden/csv-spectrum
[csvkit]: https://github.com/wireservice/csvkit
[JSONTestSuite]: https://github.com/nst/JSONTestSuite
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a file: `loaded` is None when it was refused as a whole."""

    file: str
    text: str
    loaded: Loaded | None = None


def judge(path: Path) -> Verdict:
    """Infer a contract of one file, alone in a folder, and read it."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shutil.copy(path, root / path.name)
        try:
            inferred = infer_source(root, [path.name.replace("[", "[[]")], "t")
            loaded = load(root, inferred.source)
        except HeadraceError as exc:
            return Verdict(path.name, f"refused: {_short(exc)}")
    rows = f"{len(loaded.rows):,} {'row' if len(loaded.rows) == 1 else 'rows'}"
    if not loaded.quarantine:
        return Verdict(path.name, f"loads {rows}", loaded)
    reason = loaded.quarantine[0][4]
    aside = f"{len(loaded.quarantine):,} set aside, first: {_short(reason)}"
    return Verdict(path.name, f"loads {rows}; {aside}", loaded)


def _short(text: object) -> str:
    """One line of printable ASCII that a table of Markdown can hold."""
    line = str(text).encode("unicode_escape").decode().replace("|", "\\|").replace("`", "'")
    return line if len(line) <= 160 else line[:159] + "…"


def files_of(collection: Path) -> list[Path]:
    """The files of a collection, by name; its description is none of them."""
    paths = (path for path in collection.rglob("*") if path.is_file())
    return sorted(path for path in paths if path.name != "SOURCE.txt")


def page(data: Path) -> Iterator[str]:
    """The lines of the page."""
    yield INTRODUCTION
    for name in COLLECTIONS:
        yield f"## {name.partition('/')[0]}\n"
        yield "| file | what happens |\n|---|---|"
        for path in files_of(data / name):
            verdict = judge(path)
            yield f"| `{_short(verdict.file)}` | {verdict.text} |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text("\n".join(page(Path(sys.argv[1]))))
