"""The address of a Python model's code: follows what runs, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.python_code import code_address

MODEL = '''"""A model."""
from headrace import model
from shared.rates import rate


@model(key="id", description="x")
def m(orders):
    """Doc."""
    # why
    return rate(orders)
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("models", "shared"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "models/m.py").write_text(MODEL)
    (tmp_path / "shared/rates.py").write_text("from . import deep\n\ndef rate(x): return x\n")
    (tmp_path / "shared/deep.py").write_text("FACTOR = 1\n")
    return tmp_path


def address(root: Path) -> str:
    return code_address(root, "models/m.py", CompileCache())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# because"),
        ('"""Doc."""', '"""Another."""'),
        ('"""A model."""\n', ""),
        ('description="x"', 'description="y", checks=[]'),
        ("rate(orders)", "rate( orders )"),
    ],
)
def test_comments_docstrings_layout_and_the_header_do_not_count(
    root: Path, old: str, new: str
) -> None:
    before = address(root)
    (root / "models/m.py").write_text(MODEL.replace(old, new))
    assert address(root) == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("models/m.py", MODEL.replace("rate(orders)", "rate(orders, 2)")),
        ("shared/rates.py", "def rate(x): return 2 * x\n"),
        ("shared/deep.py", "print(1)\n"),
        ("shared/__init__.py", "print(1)\n"),
    ],
)
def test_the_code_of_the_model_and_of_what_it_imports_counts(
    root: Path, file: str, text: str
) -> None:
    before = address(root)
    (root / file).write_text(text)
    assert address(root) != before


def test_a_module_that_it_does_not_import_does_not_count(root: Path) -> None:
    before = address(root)
    (root / "shared/other.py").write_text("X = 1\n")
    assert address(root) == before


# Each case: the imports of the model's file, what its function returns, the text of lib/rates.py,
# and what is replaced in that.
LIB = (
    "RATE = 2\nOTHER = 3\n\ndef rate(x):\n    return x * RATE\n\ndef other(x):\n    return OTHER\n"
)
FROM = "from lib.rates import rate\n"
COUNTS = {
    "a constant": (FROM, "rate(1)", LIB, "RATE = 2", "RATE = 5"),
    "through a module's name": ("import lib.rates as r\n", "r.RATE", LIB, "RATE = 2", "RATE = 5"),
    "through a package": ("import lib.rates\n", "lib.rates.RATE", LIB, "RATE = 2", "RATE = 5"),
    "from a package": ("from lib import rates\n", "rates.rate(1)", LIB, "x * RATE", "x"),
    "relative": ("from ..lib.rates import RATE\n", "RATE", LIB, "RATE = 2", "RATE = 5"),
    "re-exported": ("from shelf import rate\n", "rate(1)", LIB, "RATE = 2", "RATE = 5"),
    "an attribute of a re-export": ("import shelf\n", "shelf.rate(1)", LIB, "x * RATE", "x"),
    "under another name": ("from lib.rates import rate as f\n", "f(1)", LIB, "x * RATE", "x"),
    "a module handed on": (
        "import lib.rates as r\n",
        "getattr(r, n)",
        LIB,
        "OTHER = 3",
        "OTHER = 4",
    ),
    "a package handed on": ("import lib.rates\n", "getattr(lib, n)", LIB, "OTHER = 3", "OTHER = 4"),
    "a star": ("from lib.rates import *\n", "rate(1)", LIB, "OTHER = 3", "OTHER = 4"),
    "a local import": ("", "__import_it__", LIB, "RATE = 2", "RATE = 5"),
    "code of the module": (FROM, "rate(1)", LIB + "print(RATE)\n", "print(RATE)", "print(1)"),
    "a call in an assignment": (FROM, "rate(1)", LIB + "Z = set()\n", "set()", "dict()"),
    "a decorated function": (FROM, "rate(1)", LIB + "@rate\ndef f(): ...\n", "f(): ...", "f(): 1"),
    "what code of the module uses": (
        FROM,
        "rate(1)",
        LIB + "print(OTHER)\n",
        "OTHER = 3",
        "OTHER = 4",
    ),
    "a branch": (FROM, "rate(1)", LIB + "if RATE:\n    RATE = 3\n", "RATE = 3", "RATE = 4"),
    "globals()": (FROM, "rate(1)", LIB + "def g(): globals()\n", "OTHER = 3", "OTHER = 4"),
    "a default": (
        FROM,
        "rate(1)",
        LIB.replace("rate(x)", "rate(x=OTHER)"),
        "OTHER = 3",
        "OTHER = 4",
    ),
    "an annotation": (
        FROM,
        "rate(1)",
        LIB.replace("rate(x)", "rate(x: OTHER)"),
        "OTHER = 3",
        "OTHER = 4",
    ),
    "a quoted annotation": (
        FROM,
        "rate(1)",
        LIB.replace("rate(x)", "rate(x: 'list[OTHER]')"),
        "OTHER = 3",
        "OTHER = 4",
    ),
    "a nested function": (
        FROM,
        "rate(1)",
        LIB.replace("    return x * RATE", "    def g(): return OTHER\n    return g()"),
        "OTHER = 3",
        "OTHER = 4",
    ),
    "a class": (
        "from lib.rates import A\n",
        "A().go()",
        LIB + "class A:\n    def go(self): return rate(1)\n",
        "RATE = 2",
        "RATE = 5",
    ),
    "a base class": (
        "from lib.rates import B\n",
        "B().go()",
        LIB + "class A:\n    def go(self): return 1\nclass B(A): pass\n",
        "return 1",
        "return 2",
    ),
    "a class that registers": (FROM, "rate(1)", LIB + "class B(A):\n    x = 1\n", "x = 1", "x = 2"),
    "the module's __getattr__": (
        "from lib import rates\n",
        "rates.any",
        LIB + "def __getattr__(n): return OTHER\n",
        "OTHER = 3",
        "OTHER = 4",
    ),
    "another import": (
        FROM,
        "rate(1)",
        "from math import floor as f\n" + LIB.replace("x * RATE", "f(x)"),
        "import floor",
        "import ceil",
    ),
    "a name that is assigned twice": (FROM, "rate(1)", LIB + "RATE = 7\n", "RATE = 7", "RATE = 8"),
    "a name of several": (
        FROM,
        "rate(1)",
        LIB.replace("RATE = 2", "RATE, Q = 2, 9"),
        "2, 9",
        "3, 9",
    ),
    "a global that it sets": (
        FROM,
        "rate(1)",
        LIB.replace("    return x * RATE", "    global OTHER\n    return 1"),
        "OTHER = 3",
        "OTHER = 4",
    ),
}
COUNTS_NOT = {
    "another constant": (FROM, "rate(1)", LIB, "OTHER = 3", "OTHER = 4"),
    "another function": (FROM, "rate(1)", LIB, "return OTHER", "return 1"),
    "a new function": (FROM, "rate(1)", LIB, "def other", "def more(): ...\n\ndef other"),
    "through a module's name": ("import lib.rates as r\n", "r.RATE", LIB, "OTHER = 3", "OTHER = 4"),
    "through a package": ("import lib.rates\n", "lib.rates.RATE", LIB, "x * RATE", "x"),
    "from a package": ("from lib import rates\n", "rates.RATE", LIB, "return OTHER", "return 1"),
    "re-exported": ("from shelf import rate\n", "rate(1)", LIB, "OTHER = 3", "OTHER = 4"),
    "relative": ("from ..lib.rates import RATE\n", "RATE", LIB, "OTHER = 3", "OTHER = 4"),
    "another class": (FROM, "rate(1)", LIB + "class A:\n    x = 1\n", "x = 1", "x = 2"),
    "an import that it does not use": (
        FROM,
        "rate(1)",
        "from math import floor as f\n" + LIB,
        "import floor",
        "import ceil",
    ),
    "a text for people": (
        FROM,
        "rate(1)",
        LIB.replace("x * RATE", "x * RATE, 'the other one'"),
        "return OTHER",
        "return 1",
    ),
    "a comment": (FROM, "rate(1)", LIB, "OTHER = 3", "OTHER = 3  # why"),
}


def _addresses(root: Path, case: tuple[str, str, str, str, str]) -> tuple[str, str]:
    """The address before and after the edit."""
    imports, result, text, old, new = case
    if result == "__import_it__":
        result = "0\n    from lib.rates import RATE\n    return RATE"
    for folder in ("lib", "shelf"):
        (root / folder).mkdir()
    (root / "lib/__init__.py").write_text("")
    (root / "shelf/__init__.py").write_text("from lib.rates import other, rate\n")
    (root / "models/m.py").write_text(
        f"from headrace import model\n{imports}\n@model\ndef m(n):\n    return {result}\n"
    )
    assert text.count(old) == 1
    (root / "lib/rates.py").write_text(text)
    before = address(root)
    (root / "lib/rates.py").write_text(text.replace(old, new))
    return before, address(root)


@pytest.mark.parametrize("case", COUNTS.values(), ids=COUNTS)
def test_what_the_function_reaches_counts(root: Path, case: tuple[str, str, str, str, str]) -> None:
    before, after = _addresses(root, case)
    assert before != after


@pytest.mark.parametrize("case", COUNTS_NOT.values(), ids=COUNTS_NOT)
def test_what_it_does_not_reach_does_not_count(
    root: Path, case: tuple[str, str, str, str, str]
) -> None:
    before, after = _addresses(root, case)
    assert before == after


def test_another_function_in_the_models_own_file_does_not_count(root: Path) -> None:
    own = MODEL + "\n\ndef helper():\n    return 1\n"
    (root / "models/m.py").write_text(own)
    before = address(root)
    (root / "models/m.py").write_text(own.replace("return 1", "return 2"))
    assert address(root) == before


def test_modules_that_import_each_other_are_followed_once(root: Path) -> None:
    (root / "shared/deep.py").write_text("from . import rates\nFACTOR = rates.rate\n")
    before = address(root)
    (root / "shared/deep.py").write_text("from . import rates\nFACTOR = rates\n")
    assert address(root) == before, "nothing uses FACTOR"
