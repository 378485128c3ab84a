"""Takes an error that ends a command, prints it on stderr as text or JSON, gives the exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import click

from headrace.base.errors import BreakingChanges, HeadraceError, Problem, ProjectError

UNEXPECTED = 1


def report_error(error: HeadraceError, *, as_json: bool) -> int:
    """Print an error that headrace raised on purpose; give its exit code."""
    if as_json:
        _print_json(type(error).__name__, str(error), error.exit_code, _details(error))
    elif isinstance(error, ProjectError):
        _print_problems(error)
    elif isinstance(error, BreakingChanges):
        _print_changes(error)
    else:
        _print(str(error))
    return error.exit_code


def report_click(error: click.ClickException) -> int:
    """Print wrong arguments as JSON; give the exit code. (click prints the text form itself.)"""
    _print_json("UsageError", error.format_message(), error.exit_code, {})
    return error.exit_code


def report_unexpected(error: Exception, *, as_json: bool) -> int:
    """Print one line about a mistake of headrace's own and where its traceback was written."""
    path = _write_traceback(error)
    message = (
        f"unexpected {type(error).__name__}: {_first_line(str(error))};"
        f" the traceback is in {path}; `headrace --debug …` shows it"
    )
    if as_json:
        _print_json("Unexpected", message, UNEXPECTED, {"traceback": path})
    else:
        _print(message)
    return UNEXPECTED


def _print(message: str) -> None:
    click.echo(click.style("error:", fg="red", bold=True) + f" {message}", err=True)


def _print_problems(error: ProjectError) -> None:
    for problem in error.problems:
        _print(str(problem))
    if error.breaks:
        click.echo("For users of the API that would mean:", err=True)
        for change in error.breaks:
            click.echo(f"  {change}", err=True)
    count = len(error.problems)
    noun = "problem" if count == 1 else "problems"
    click.echo(f"{count} {noun} in the project's files; nothing ran", err=True)


def _print_changes(error: BreakingChanges) -> None:
    for change in error.changes:
        _print(str(change))
    click.echo(error.advice, err=True)


def _details(error: HeadraceError) -> dict[str, object]:
    if isinstance(error, BreakingChanges):
        return {"changes": [asdict(change) for change in error.changes]}
    if not isinstance(error, ProjectError):
        return {}
    return {
        "problems": [_problem(problem) for problem in error.problems],
        "breaks": [asdict(change) for change in error.breaks],
    }


def _problem(problem: Problem) -> dict[str, str | int]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "found": problem.found,
        "expected": problem.expected,
        "fix": problem.fix,
    }


def _print_json(kind: str, message: str, exit_code: int, details: Mapping[str, object]) -> None:
    body = {"error": {"type": kind, "message": message, "exit_code": exit_code, **details}}
    click.echo(json.dumps(body, ensure_ascii=False), err=True)


def _write_traceback(error: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="headrace-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(traceback.format_exception(error))
    return file.name


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
