"""sbom.py: the bill of materials has what headrace runs with, and nothing else."""

from __future__ import annotations

from release.sbom import confined, declared, runtime_packages


def test_what_runs_is_followed_through_markers_and_extras() -> None:
    assert runtime_packages(["httpx[http2]; python_version < '3'"]) == set()
    assert {"httpx", "httpcore", "h11", "idna", "certifi"} <= runtime_packages(["httpx>=0.28"])
    assert "argon2-cffi-bindings" in runtime_packages(["argon2_cffi"])


def test_nothing_that_only_tests_need_is_among_it() -> None:
    found = runtime_packages(declared())
    assert {"fastapi", "duckdb", "pyjwt", "redis", "openpyxl"} <= found
    assert found.isdisjoint({"pytest", "mypy", "ruff", "bandit", "cyclonedx-bom", "schemathesis"})


def test_a_bill_keeps_only_what_runs_and_what_that_needs() -> None:
    bill = {
        "metadata": {"component": {"bom-ref": "root", "name": "headrace"}},
        "components": [
            {"bom-ref": "PyYAML==6", "name": "PyYAML"},
            {"bom-ref": "pytest==9", "name": "pytest"},
        ],
        "dependencies": [
            {"ref": "root", "dependsOn": ["PyYAML==6", "pytest==9"]},
            {"ref": "pytest==9", "dependsOn": ["PyYAML==6"]},
            {"ref": "PyYAML==6"},
        ],
    }
    assert confined(bill, {"pyyaml"}) == {
        "metadata": bill["metadata"],
        "components": [{"bom-ref": "PyYAML==6", "name": "PyYAML"}],
        "dependencies": [
            {"ref": "root", "dependsOn": ["PyYAML==6"]},
            {"ref": "PyYAML==6", "dependsOn": []},
        ],
    }
