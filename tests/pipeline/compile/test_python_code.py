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
        ("shared/deep.py", "FACTOR = 2\n"),
        ("shared/__init__.py", "import os\n"),
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
