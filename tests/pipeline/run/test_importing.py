"""A project's modules are imported as their text is now, and leave nothing behind."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from headrace.pipeline.run.importing import load_function, project_modules
from tests.projects import Shop, built, write_files


def answer(root: Path, file: str = "models/p.py") -> object:
    """What the function `p` of a file returns now."""
    with project_modules(root):
        return load_function(file, "p")()


@pytest.mark.parametrize(
    "line",
    [
        "from lib.rates import RATE",
        "from .shared import RATE",
        "from ..lib.rates import RATE",
        "from rates import RATE",
    ],
)
def test_a_file_imports_the_projects_modules_absolutely_and_relatively(
    tmp_path: Path, line: str
) -> None:
    rate = dict.fromkeys(("lib/rates.py", "models/shared.py", "rates.py"), "RATE = 3\n")
    write_files(tmp_path, {"models/p.py": f"{line}\ndef p(): return RATE\n", **rate})
    assert answer(tmp_path) == 3


def test_an_edit_within_a_second_that_keeps_the_size_is_seen(tmp_path: Path) -> None:
    """Python's own cache compares seconds and sizes; the rows of before would get a new address."""
    write_files(
        tmp_path,
        {"models/p.py": "from lib import RATE\ndef p(): return RATE, 1\n", "lib.py": "RATE = 3\n"},
    )
    stamp = (1_700_000_000, 1_700_000_000)
    for name in ("models/p.py", "lib.py"):
        os.utime(tmp_path / name, stamp)
    assert answer(tmp_path) == (3, 1)
    write_files(
        tmp_path,
        {"models/p.py": "from lib import RATE\ndef p(): return RATE, 2\n", "lib.py": "RATE = 4\n"},
    )
    for name in ("models/p.py", "lib.py"):
        os.utime(tmp_path / name, stamp)
    assert answer(tmp_path) == (4, 2)
    assert list(tmp_path.rglob("__pycache__")) == []


def test_the_interpreter_is_left_as_it_was(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "models/p.py": """\
                import sys
                import lib.rates
                sys.path.append("somewhere")
                def p():
                    sys.path.clear()
                    return lib.rates.RATE
                """,
            "lib/rates.py": "RATE = 3\n",
        },
    )
    before = list(sys.path), list(sys.meta_path), set(sys.modules)
    assert answer(tmp_path) == 3
    assert (list(sys.path), list(sys.meta_path), set(sys.modules)) == before


def test_it_is_left_as_it_was_when_the_import_fails(tmp_path: Path) -> None:
    write_files(tmp_path, {"models/p.py": "import lib\n1 / 0\n", "lib.py": ""})
    before = list(sys.path), list(sys.meta_path), set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        answer(tmp_path)
    assert (list(sys.path), list(sys.meta_path), set(sys.modules)) == before


def test_modules_of_the_project_that_were_loaded_before_come_back(tmp_path: Path) -> None:
    write_files(tmp_path, {"models/p.py": "import mine\ndef p(): return mine\n", "mine.py": ""})
    with project_modules(tmp_path):
        first = load_function("models/p.py", "p")()
        sys.modules["mine_of_before"] = first  # type: ignore[assignment]  # it is a module
        with project_modules(tmp_path):
            assert "mine_of_before" not in sys.modules
            assert load_function("models/p.py", "p")() is not first
        assert sys.modules["mine_of_before"] is first
        assert sys.modules["mine"] is first


def test_folders_do_not_hide_what_is_installed(tmp_path: Path) -> None:
    """`json/` holds data: it is no package, and must not be taken for one."""
    write_files(
        tmp_path,
        {"models/p.py": "import json\ndef p(): return json.dumps([1])\n", "json/a.csv": ""},
    )
    assert answer(tmp_path) == "[1]"


def test_an_environment_inside_the_project_is_not_the_projects_own(tmp_path: Path) -> None:
    site = ".venv/lib/python3/site-packages"
    write_files(tmp_path, {"models/p.py": "def p(): return 1\n", f"{site}/installed_here.py": ""})
    sys.path.append(str(tmp_path / site))
    try:
        installed_here = importlib.import_module("installed_here")

        with project_modules(tmp_path):
            assert sys.modules["installed_here"] is installed_here
    finally:
        sys.path.remove(str(tmp_path / site))
        del sys.modules["installed_here"]


def test_a_dataclass_with_postponed_annotations_works(tmp_path: Path) -> None:
    """It looks its module up by name."""
    text = """\
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import ClassVar
        @dataclass
        class Rate:
            value: int
            unit: ClassVar[str] = "EUR"
        def p(): return Rate(3).value
        """
    write_files(tmp_path, {"models/p.py": text})
    assert answer(tmp_path) == 3


MODEL = """\
    import pyarrow as pa
    from headrace import model
    from lib.rates import RATE
    @model
    def {name}() -> pa.Table:
        return pa.table({{"rate": [RATE]}})
    """


def test_models_side_by_side_share_the_projects_modules_and_follow_their_edits(
    tmp_path: Path,
) -> None:
    names = ["a", "b", "c", "d"]
    shop = Shop(write_files(tmp_path / "shop", {"headrace.toml": 'name = "shop"\n'}))
    shop.write("headrace.toml", 'name = "shop"\n[run]\nworkers = 4\n')
    shop.write("lib/rates.py", "RATE = 3\n")
    for name in names:
        shop.write(f"models/{name}.py", MODEL.format(name=name))
    shop.write("models/total.sql", f"SELECT rate FROM {' UNION ALL FROM '.join(names)}")
    report = shop.run()
    assert report.failures == ()
    assert built(report) == [*names, "total"]
    shop.write("lib/rates.py", "RATE = 4\n")
    plan = shop.plan()
    assert [(step.table, step.reasons) for step in plan.steps] == [
        (name, ("its code changed",)) for name in names
    ]
    assert plan.deferred == (*names, "total")
    assert built(shop.run()) == [*names, "total"]
    shop.write("lib/rates.py", "# of today\nRATE = 4\n")
    assert shop.run().outcome == "unchanged"
