"""What would make endpoints faster: takes their contracts and figures, gives sentences."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from headrace.benching.measuring import NO_ANSWER, Figures, Measured
from headrace.store.snapshots import EndpointContract

_LARGE_BYTES = 100_000
# Below that, nobody notices how far p99 is from p50.
_SLOW_SECONDS = 0.005
_FAR = 10
_MANY_REQUESTS = 100


def proposals(measured: Measured) -> list[str]:
    """What there is to say about an endpoint, the most important first; [] when all is well."""
    return [
        *_errors(measured),
        *_access_path(measured.contract),
        *_answers(measured),
        *_spread(measured.first),
        *_kept(measured),
    ]


def _errors(measured: Measured) -> Iterator[str]:
    """Answers that were no success, by status."""
    statuses = sorted({*measured.first.errors, *measured.again.errors})
    requests = measured.first.requests + measured.again.requests
    for status in statuses:
        count = measured.first.errors.get(status, 0) + measured.again.errors.get(status, 0)
        yield f"{count:,} of {requests:,} requests were answered by {named(status)}{_hint(status)}"


def _hint(status: int) -> str:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ": more at once, or longer queries, than the server takes; its log says which"
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return ": the query cannot be computed with these values; `--param` gives others"
    if status == HTTPStatus.NOT_FOUND:
        return ": the server serves another snapshot, or another project"
    return "; the server's log says why" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""


def named(status: int) -> str:
    """A status in words.

    >>> named(503), named(0), named(299)
    ('503 Service Unavailable', 'nothing', '299')
    """
    if status == NO_ANSWER:
        return "nothing"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _access_path(contract: EndpointContract) -> Iterator[str]:
    """Why it is answered the way it is, when there is a faster one."""
    if contract.access_path == "columnar" and (contract.reason or contract.advice):
        faster = f"to make it faster: {contract.advice}" if contract.advice else ""
        yield f"columnar: {'; '.join(filter(None, (contract.reason, faster)))}"


def _answers(measured: Measured) -> Iterator[str]:
    """Answers that are large, and endpoints that have none."""
    first = measured.first
    if first.answer_bytes > _LARGE_BYTES:
        kilobytes = first.answer_bytes / 1000
        yield (
            f"answers of {kilobytes:,.0f} kB on average: ask for fewer rows with `limit`, for"
            " fewer fields with `fields`, or for a format that is cheaper to read, such as Arrow"
        )
    if first.answered and first.empty == first.answered:
        yield (
            "every answer was empty, so these figures say little; `--param` names values that have"
            " rows"
        )


def _spread(first: Figures) -> Iterator[str]:
    """Single requests that take far longer than others."""
    is_far = first.p99_seconds > max(_SLOW_SECONDS, _FAR * first.p50_seconds)
    if is_far and first.answered >= _MANY_REQUESTS:
        yield (
            f"p99 is {first.p99_seconds / first.p50_seconds:.0f} times p50: some values have far"
            f" more rows than others; the slowest, at {first.slowest_seconds * 1000:.0f} ms, was"
            f" {first.slowest}"
        )


def _kept(measured: Measured) -> Iterator[str]:
    """Answers that are computed again although nothing has changed."""
    first, again = measured.first, measured.again
    is_slow = again.p50_seconds > max(_SLOW_SECONDS, first.p50_seconds / 2)
    # Rows that are found by key are not kept: finding them is as quick.
    if is_slow and first.answered >= _MANY_REQUESTS and measured.contract.access_path != "keyed":
        megabytes = first.answered * first.answer_bytes / 1e6
        yield (
            "asked again it is hardly faster: the cache does not hold the"
            f" {first.answered:,} answers, which take about {megabytes:,.0f} MB"
        )
