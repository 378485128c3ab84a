"""The demo's project shows off every part, and loads without a problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.base.declarations import Endpoint, Model, Project, Source, SqlCheck
from headrace.checks.builtin import declared_checks
from headrace.cli.demo import writing
from headrace.pipeline.project.loading import load_project


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(Path(writing.__file__).parent / "project")


def test_it_has_at_least_eight_models_one_in_python(project: Project) -> None:
    assert len(project.models) >= 8
    assert [model.name for model in project.models if model.function] == ["revenue_forecast"]


def test_it_has_at_least_six_endpoints_and_a_router(project: Project) -> None:
    assert len(project.endpoints) >= 6
    assert [router.name for router in project.routers] == ["compare"]


def test_it_has_at_least_ten_checks_of_both_severities(project: Project) -> None:
    tables: list[Source | Model] = [*project.sources, *project.models]
    declared = [
        check
        for table in tables
        for check in declared_checks(table.columns, table.key, table.checks, table.place)
    ]
    severities = {check.severity for check in declared}
    severities |= {check.severity for check in project.checks}
    assert len(declared) + len(project.checks) >= 10
    assert severities == {"error", "warn"}


def test_its_sources_come_in_several_formats(project: Project) -> None:
    formats = [source.format for source in project.sources]
    assert {each.kind for each in formats} == {"csv", "json", "ndjson"}
    assert {each.delimiter for each in formats if each.kind == "csv"} == {",", ";", "\t"}
    assert {each.compression for each in formats} == {"none", "gzip"}
    assert {each.header for each in formats} == {True, False}


def test_everything_is_described(project: Project) -> None:
    parts: list[Source | Model | Endpoint | SqlCheck] = [
        *project.sources,
        *project.models,
        *project.endpoints,
        *project.checks,
    ]
    assert [part.name for part in parts if not part.description] == []
