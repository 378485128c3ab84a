"""The page of figures: each part is written without the others."""

from __future__ import annotations

from pathlib import Path

from benchmarks.page import PAGE, write_figures

_PAGE = """\
# Benchmarks
<!-- figures: begin -->
old
<!-- figures: end -->
between
<!-- serving: begin -->
old, too
<!-- serving: end -->
after
"""


def test_a_part_is_replaced_and_the_rest_is_kept(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(_PAGE)
    write_figures("serving", "new", page)
    assert page.read_text() == _PAGE.replace("old, too", "new")
    write_figures("figures", "newer", page)
    assert page.read_text() == _PAGE.replace("old, too", "new").replace("old", "newer")


def test_the_page_has_every_part() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for part in ("figures", "serving", "auth"):
        assert text.count(f"<!-- {part}: begin -->") == text.count(f"<!-- {part}: end -->") == 1
