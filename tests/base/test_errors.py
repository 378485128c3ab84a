"""Errors say where, what was found, what was expected and what to do; each has its exit code."""

from __future__ import annotations

import re

import pytest

from headrace.base import errors
from headrace.base.errors import HeadraceError, Place, Problem, ProjectError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("models/a.sql"), "models/a.sql"),
        (Place("models/a.sql", 3), "models/a.sql:3"),
        (Place("models/a.sql", 3, 7), "models/a.sql:3:7"),
        (Place("models/a.sql", 0, 7), "models/a.sql"),
    ],
)
def test_a_place_is_written_so_that_an_editor_can_open_it(place: Place, text: str) -> None:
    assert str(place) == text


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(Place("a.sql", 1), "`x` is not a key"), "a.sql:1: `x` is not a key"),
        (
            Problem(Place("a.sql", 1), "`x` is not a key", expected="`key`"),
            "a.sql:1: `x` is not a key; expected `key`",
        ),
        (
            Problem(Place("a.sql", 1), "`x` is not a key", fix="did you mean `key`?"),
            "a.sql:1: `x` is not a key; did you mean `key`?",
        ),
        (
            Problem(Place("a.sql", 1, 2), "`x` is not a key", "`key`", "remove it"),
            "a.sql:1:2: `x` is not a key; expected `key`; remove it",
        ),
    ],
)
def test_a_problem_says_its_parts_in_order_and_leaves_out_what_is_not_known(
    problem: Problem, text: str
) -> None:
    assert str(problem) == text


def test_a_project_error_tells_every_problem_by_place_and_keeps_the_order_within_one() -> None:
    problems = [
        Problem(Place("b.yaml", 2), "second file"),
        Problem(Place("a.yaml", 10), "tenth line"),
        Problem(Place("a.yaml", 9), "z, found first"),
        Problem(Place("a.yaml", 9), "a, found next"),
        Problem(Place("a.yaml"), "the file as a whole"),
    ]
    error = ProjectError(iter(problems))
    assert str(error) == (
        "a.yaml: the file as a whole\n"
        "a.yaml:9: z, found first\n"
        "a.yaml:9: a, found next\n"
        "a.yaml:10: tenth line\n"
        "b.yaml:2: second file"
    )
    assert sorted(map(str, error.problems)) == sorted(map(str, problems))


def all_errors() -> list[type[HeadraceError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [each for each in found if issubclass(each, HeadraceError)]


def drawn_tree() -> dict[str, str]:
    """Class -> parent, as the module's docstring draws it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"((?:│   |    )*(?:├── |└── )?)([A-Z][A-Za-z]+)(?:$|  )", line):
            depth = len(drawn[1]) // 4
            path = [*path[:depth], drawn[2]]
            parents[drawn[2]] = path[-2] if depth else "Exception"
    return parents


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    assert drawn_tree() == {each.__name__: each.__bases__[0].__name__ for each in all_errors()}


@pytest.mark.parametrize("error", all_errors())
def test_every_error_says_when_it_is_raised(error: type[HeadraceError]) -> None:
    assert error.__doc__


@pytest.mark.parametrize("error", all_errors())
def test_only_what_the_user_got_wrong_exits_with_2(error: type[HeadraceError]) -> None:
    theirs = issubclass(error, errors.UserError | errors.NotFound)
    assert error.exit_code == (2 if theirs else 1)
