"""`headrace plan` says what a run would do, in words, and imports no engine to do so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.cli.new import write_skeleton
from tests.cli.shops import call
from tests.cli.test_main import loaded_by

MODEL = Path("models", "daily_revenue.sql")
ENGINES = {"duckdb", "sqlglot", "pyarrow", "fastapi", "sqlalchemy", "rich"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project that has never run."""
    write_skeleton(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def built(project: Path) -> Path:
    """The same, run once."""
    assert call("run", "-C", str(project)).exit_code == 0
    return project


def test_a_new_project_is_all_new(project: Path) -> None:
    result = call("plan", "-C", str(project))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:5] == [
        "For prod, where nothing is published:",
        "",
        "Build 2 tables",
        "  orders         1.7 kB  it is new (2 files)",
        "  daily_revenue          it is new",
    ]
    assert "  added  store_revenue  GET /stores/{store_id}/revenue" in result.stdout
    assert result.stdout.endswith("`headrace run` does it.\n")


def test_nothing_to_do_is_said(built: Path) -> None:
    assert call("plan", "-C", str(built)).stdout == (
        "Nothing to do: everything is built and published (snapshot 1)\n"
    )


def test_a_copy_that_is_missing_is_said_until_a_run_has_made_it(built: Path) -> None:
    [copy] = (built / ".headrace" / "store" / "keyed").glob("*.lmdb")
    copy.unlink()
    assert call("plan", "-C", str(built)).stdout == (
        "Nothing to do: everything is built and published (snapshot 1)\n"
        "But `store_revenue` waits for its keyed copy: `headrace run` makes it.\n"
    )
    assert json.loads(call("plan", "-C", str(built), "--json").stdout)["copies"] == [
        "store_revenue"
    ]
    call("run", "-C", str(built))
    assert json.loads(call("plan", "-C", str(built), "--json").stdout)["copies"] == []


@pytest.mark.parametrize("command", ["plan", "run"])
def test_nothing_to_do_is_found_without_an_engine(command: str, built: Path) -> None:
    assert loaded_by([command, "-C", str(built)]) & ENGINES == set()


def test_a_changed_field_is_announced_to_the_users_of_the_api(built: Path) -> None:
    endpoint = built / "endpoints" / "store_revenue.sql"
    endpoint.write_text(endpoint.read_text().replace(", orders", ", orders AS purchases"))
    lines = call("plan", "-C", str(built)).stdout.splitlines()
    start = lines.index("API")
    assert lines[start + 1 : start + 3] == [
        (
            "  changed  store_revenue  field orders (BIGINT) removed"
            "   breaking, no calls in the last 30 days"
        ),
        "  changed  store_revenue  field purchases (BIGINT) added",
    ]


NOT_SERVED = (
    "not served: endpoints/{}; say who may call it, as in `{}`, or set `default_access` under"
    " [serve]\n"
)


def test_what_nobody_may_call_is_told_by_plan_and_run(built: Path) -> None:
    (built / "endpoints" / "days.sql").write_text("SELECT day FROM daily_revenue")
    (built / "endpoints" / "quotes.py").write_text("router = 1\n")
    lines = NOT_SERVED.format("days.sql has no `access:`", "access: public")
    lines += NOT_SERVED.format("quotes.py has no `access`", 'access = "public"')
    assert call("plan", "-C", str(built)).stdout == (
        f"Nothing to do: everything is built and published (snapshot 1)\n{lines}"
    )
    answer = json.loads(call("plan", "-C", str(built), "--json").stdout)
    assert answer["not_served"] == ["endpoints/days.sql", "endpoints/quotes.py"]
    assert call("run", "-C", str(built)).stderr == lines
    model = built / MODEL
    model.write_text(model.read_text().replace("count(*)", "count(*) + 1"))
    assert lines in call("plan", "-C", str(built)).stdout


def test_who_loses_access_is_broken(built: Path) -> None:
    endpoint = built / "endpoints" / "store_revenue.sql"
    endpoint.write_text(endpoint.read_text().replace("access: public", "access: [crm, analyst]"))
    refused = call("run", "-C", str(built))
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[0] == (
        "error: store_revenue: only analyst, crm now (was public)"
        " - breaking, no calls in the last 30 days"
    )
    assert call("run", "-C", str(built), "--accept-breaking", "store_revenue").exit_code == 0
    endpoint.write_text(endpoint.read_text().replace("[crm, analyst]", "authenticated"))
    lines = call("plan", "-C", str(built)).stdout.splitlines()
    assert lines[lines.index("API") + 1] == (
        "  changed  store_revenue  now authenticated (was analyst, crm)"
    )


def test_json_has_steps_and_reasons(built: Path) -> None:
    model = built / MODEL
    model.write_text(model.read_text().replace("count(*)", "count(*) + 1"))
    answer = json.loads(call("plan", "-C", str(built), "--json").stdout)
    assert (answer["environment"], answer["snapshot"], answer["nothing_to_do"]) == (
        "prod",
        1,
        False,
    )
    assert answer["steps"] == [
        {
            "table": "daily_revenue",
            "kind": "model",
            "reasons": ["its SQL changed"],
            "files": [],
            "cells": [None],
            "cells_reused": 0,
            "rows_expected": 42,
            "bytes_expected": answer["steps"][0]["bytes_expected"],
        }
    ]
    assert 0 < answer["steps"][0]["bytes_expected"] < 10_000
    assert answer["waiting"] == []


def test_outside_a_project_it_says_how_to_begin_one(tmp_path: Path) -> None:
    result = call("plan", "-C", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: headrace.toml: there is no such file in {str(tmp_path)!r} or in a folder above it;"
        " run `headrace new NAME` to start a project\n"
        "1 problem in the project's files; nothing ran\n"
    )


@pytest.fixture
def breaking(built: Path) -> Path:
    """The same, with a field of its endpoint renamed."""
    endpoint = built / "endpoints" / "store_revenue.sql"
    endpoint.write_text(endpoint.read_text().replace(", orders", ", orders AS purchases"))
    return built


def test_the_exit_code_is_that_of_a_run_that_would_be_refused(breaking: Path) -> None:
    refused = call("plan", "-C", str(breaking))
    accepted = call("plan", "-C", str(breaking), "--accept-breaking", "store_revenue")
    assert (refused.exit_code, accepted.exit_code) == (2, 0)
    assert refused.stderr == accepted.stderr == ""
    assert refused.stdout.splitlines()[-1].startswith("Refused: 1 breaking change for users")
    assert accepted.stdout.splitlines()[-1] == "`headrace run` does it."


def test_json_says_what_breaks_whom_and_what_is_refused(breaking: Path) -> None:
    result = call("plan", "-C", str(breaking), "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    answer = json.loads(result.stdout)
    assert answer["refused"] == ["store_revenue"]
    assert answer["changes"][0] == {
        "endpoint": "store_revenue",
        "kind": "changed",
        "detail": "field orders (BIGINT) removed",
        "what": "field",
        "name": "orders",
        "before": "BIGINT",
        "after": "",
        "path": "/stores/{store_id}/revenue",
        "breaking": True,
        "calls": 0,
    }
    accepted = call("plan", "-C", str(breaking), "--json", "--accept-breaking", "store_revenue")
    assert json.loads(accepted.stdout)["refused"] == []


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_refusal_needs_no_engine(command: str, breaking: Path) -> None:
    call("plan", "-C", str(breaking))
    assert loaded_by([command, "-C", str(breaking)]) & ENGINES == set()


def test_what_breaks_nobody_is_noted_and_what_is_misspelt_is_refused(built: Path) -> None:
    noted = call("plan", "-C", str(built), "--accept-breaking", "store_revenue")
    assert (noted.exit_code, noted.stderr) == (
        0,
        "note: store_revenue breaks nobody: there is nothing to accept\n",
    )
    misspelt = call("plan", "-C", str(built), "--accept-breaking", "store_revenu")
    assert (misspelt.exit_code, misspelt.stderr) == (
        2,
        (
            "error: --accept-breaking: 'store_revenu' is not an endpoint; expected one of"
            " `store_revenue`; did you mean `store_revenue`?\n"
        ),
    )
