"""The library of `examples/` runs as its README says, from a fresh copy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.pipeline.building import BuildReport, build
from headrace.pipeline.workspace import Workspace, open_workspace, plan_workspace

LIBRARY = Path(__file__).parents[2] / "examples" / "library"


@dataclass(frozen=True)
class Built:
    workspace: Workspace
    report: BuildReport


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("examples") / "library"
    shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns(".headrace"))
    workspace = open_workspace(folder)
    return Built(workspace, build(workspace, plan_workspace(workspace, "prod")))


def test_it_is_published(built: Built) -> None:
    assert built.report.failures == ()
    assert built.report.outcome == "published"


def test_the_hyphenated_isbn_is_set_aside_and_nothing_else(built: Built) -> None:
    steps = {step.table: step for step in built.report.steps}
    assert (steps["loans"].rows_in, steps["loans"].rows, steps["loans"].quarantined) == (18, 17, 1)
    assert {step.quarantined for step in built.report.steps if step.table != "loans"} == {0}


def test_only_the_two_long_loans_are_warned_of(built: Built) -> None:
    broken = {check.result.name: check.result.failing for check in built.report.checks}
    assert {name: rows for name, rows in broken.items() if rows} == {"kept_too_long": 2}


def test_a_second_run_has_nothing_to_do(built: Built) -> None:
    assert plan_workspace(built.workspace, "prod").nothing_to_do
