"""The entry point: help without imports, near misses, exit codes, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from headrace.base.errors import Place, Problem, ProjectError, StoreError
from headrace.cli import main
from headrace.cli.main import COMMANDS, cli
from tests.cli.shops import call

HEAVY = {"duckdb", "sqlglot", "pyarrow", "fastapi", "rich", "msgspec", "yaml", "watchfiles"}


def loaded_by(arguments: list[str]) -> set[str]:
    """The top-level modules that a call of the command line imports."""
    code = (
        "import sys\n"
        "from headrace.cli.main import cli\n"
        f"try: cli({arguments!r}, prog_name='headrace')\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    assert loaded_by(["--help"]) & HEAVY == set()


def test_help_lists_every_command() -> None:
    result = call("--help")
    assert result.exit_code == 0
    for name, line in COMMANDS.items():
        assert f"  {name} " in result.stdout
        assert line in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_the_name_and_says_what_it_does(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_says_what_it_does(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


def test_completion_of_a_command_imports_no_command() -> None:
    items = cli.shell_complete(click.Context(cli), "s")
    assert [item.value for item in items] == ["serve", "status", "snapshots", "sources"]


def test_a_misspelt_command_gets_its_near_miss() -> None:
    result = call("statsu")
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: `statsu` is not a command; did you mean `status`?\n")


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command `status` raise `error`."""

    @click.command(name="status")
    @click.option("--json", "as_json", is_flag=True)
    def command(as_json: bool) -> None:
        raise error

    monkeypatch.setattr("headrace.cli.status.command", command)


def test_an_error_on_purpose_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raising(StoreError("the disk is full"), monkeypatch)
    result = call("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: the disk is full\n"


PROBLEMS = ProjectError(
    [
        Problem(Place("sources/orders.yaml", 3), "`keys` is not a key here", fix="use `key`"),
        Problem(Place("models/a.sql"), "it is empty", "a SELECT"),
    ]
)


def test_every_problem_of_a_project_has_its_line_and_they_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raising(PROBLEMS, monkeypatch)
    result = call("status")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: models/a.sql: it is empty; expected a SELECT\n"
        "error: sources/orders.yaml:3: `keys` is not a key here; use `key`\n"
        "2 problems in the project's files; nothing ran\n"
    )


def test_errors_are_json_too(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(PROBLEMS, monkeypatch)
    result = call("status", "--json")
    assert result.exit_code == 2
    error = json.loads(result.stderr)["error"]
    assert (error["type"], error["exit_code"]) == ("ProjectError", 2)
    assert error["problems"][1] == {
        "file": "sources/orders.yaml",
        "line": 3,
        "column": 0,
        "found": "`keys` is not a key here",
        "expected": "",
        "fix": "use `key`",
    }


def test_wrong_arguments_are_json_too() -> None:
    result = call("status", "--json", "--colour")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"]["type"] == "UsageError"


def test_a_mistake_of_ours_is_one_line_and_the_traceback_is_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    raising(ValueError("seven\nof nine"), monkeypatch)
    result = call("status")
    [written] = tmp_path.glob("headrace-*.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: unexpected ValueError: seven; the traceback is in {written};"
        " `headrace --debug …` shows it\n"
    )
    assert "ValueError: seven" in written.read_text()


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(ValueError("seven"), monkeypatch)
    assert isinstance(call("--debug", "status").exception, ValueError)


def test_an_interrupt_ends_quietly_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(KeyboardInterrupt(), monkeypatch)
    result = call("status")
    assert (result.exit_code, result.stdout, result.stderr) == (main.INTERRUPTED, "", "")


def test_no_color_is_heeded_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    context = cli.make_context("headrace", ["status"])
    assert context.color is False


@pytest.mark.parametrize("name", COMMANDS)
def test_an_environment_is_named_the_same_way_in_every_command(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    spellings = [each.opts for each in command.params if each.name == "environment"]
    assert spellings in ([], [["-e", "--env", "--environment"]])
