"""`headrace test`: runs the project's own unit tests in memory, shows what is not as expected."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.base.errors import UsageError
from headrace.base.names import near_miss
from headrace.cli.options import json_option, project_option
from headrace.cli.printing import bad, counted, duration, faint, good, print_json, width
from headrace.pipeline.project.loading import find_root

if TYPE_CHECKING:
    from headrace.testing.running import Bound, Outcome, Suite

FAILED = 1
_NO_TESTS = """\
There are no tests yet. Write one into tests/NAME.yaml:

- test: refunds do not count
  given:
    orders:
    - {store_id: 7, amount: 10.00, status: paid}
    - {store_id: 7, amount: 4.00, status: refunded}
  expect:
    daily_revenue:
    - {store_id: 7, revenue: 10.00}

`orders` is a table that a model reads, `daily_revenue` the model; docs/testing.md has the rest."""


@click.command(name="test")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option("-x", "--fail-fast", is_flag=True, help="Stop at the first test that fails.")
@click.option(
    "--junit",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the outcomes as JUnit XML, too.",
)
@project_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    patterns: tuple[str, ...],
    fail_fast: bool,
    junit: Path | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Run the unit tests of tests/ in memory; the store is neither read nor written.

    With PATTERNs, only the tests whose file or name contains one of them, whatever the case. When
    a test fails, the exit code is 1.
    """
    from headrace.testing.running import open_suite

    started = time.monotonic()
    with closing(open_suite(find_root(folder.resolve()))) as suite:
        outcomes: list[Outcome] = []
        run = _until_failure if fail_fast else _all
        for own in _by_file(run(suite, _chosen(suite.tests, patterns))):
            outcomes += own
            if not as_json:
                click.echo(_file_line(own, _widest(suite)))
    seconds = time.monotonic() - started
    _report(outcomes, seconds, as_json=as_json)
    if junit is not None:
        from headrace.cli.outcomes import junit_xml

        junit.write_bytes(junit_xml(outcomes, seconds))
    if not all(outcome.passed for outcome in outcomes):
        ctx.exit(FAILED)


def _all(suite: Suite, tests: Iterable[Bound]) -> Iterator[Outcome]:
    return suite.run(tests)


def _until_failure(suite: Suite, tests: Iterable[Bound]) -> Iterator[Outcome]:
    for outcome in suite.run(tests):
        yield outcome
        if not outcome.passed:
            return


def _chosen(tests: Sequence[Bound], patterns: tuple[str, ...]) -> list[Bound]:
    """The tests whose label contains one of the patterns; all of them without any."""
    wanted = [pattern.lower() for pattern in patterns]
    labels = {
        pattern: [each for each in tests if pattern in each.test.label.lower()]
        for pattern in wanted
    }
    for pattern, found in zip(patterns, labels.values(), strict=False):
        if not found:
            names = [each.test.name for each in tests]
            hint = near_miss(pattern, names) or f"there are {counted(len(tests), 'test')}"
            raise UsageError(f"{pattern!r} is in the file or name of no test; {hint}")
    return [
        each
        for each in tests
        if not wanted or any(pattern in each.test.label.lower() for pattern in wanted)
    ]


def _by_file(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    for _, own in groupby(outcomes, key=lambda outcome: outcome.test.place.file):
        yield list(own)


def _widest(suite: Suite) -> int:
    return max(width(each.test.place.file) for each in suite.tests)


def _file_line(outcomes: list[Outcome], columns: int) -> str:
    """One file's tests: how many there are, how many failed, and how long they took."""
    file = outcomes[0].test.place.file
    failed = sum(not outcome.passed for outcome in outcomes)
    took = faint(duration(sum(outcome.seconds for outcome in outcomes)))
    mark = bad("✗") if failed else good("✓")
    count = counted(len(outcomes), "test")
    told = f"{failed} of {count} failed" if failed else count
    return f"{mark} {file}{' ' * (columns - width(file))}  {told}  {took}"


def _report(outcomes: list[Outcome], seconds: float, *, as_json: bool) -> None:
    from headrace.cli.outcomes import failure_text, outcome_json

    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        print_json(
            {
                "passed": len(outcomes) - len(failed),
                "failed": len(failed),
                "seconds": round(seconds, 3),
                "tests": [outcome_json(outcome) for outcome in outcomes],
            }
        )
        return
    if not outcomes:
        click.echo(_NO_TESTS)
        return
    for outcome in failed:
        click.echo(f"\n{failure_text(outcome)}")
    if failed:
        click.echo()
    click.echo(_summary(len(outcomes) - len(failed), len(failed), seconds))


def _summary(passed: int, failed: int, seconds: float) -> str:
    parts = [good(f"{counted(passed, 'test')} passed")] if passed else []
    parts += [bad(f"{counted(failed, 'test')} failed")] if failed else []
    return f"{', '.join(parts)} in {duration(seconds)}"
