"""Checks of a table as a whole: takes a declaration, gives figures and when they are wrong."""

from __future__ import annotations

from headrace.base.declarations import CheckDeclaration, Tolerance
from headrace.base.names import quote
from headrace.base.types import is_numeric

_BEFORE_PREFIX = "__before_"


def before_name(table: str) -> str:
    """The name under which a comparing check reads the published version of `table`."""
    return _BEFORE_PREFIX + table


def figures_rule(check: CheckDeclaration) -> str:
    """A check of a table as a whole in words, without its table: "row_count min 1"."""
    within_seconds, share = check.within_seconds, percent(check.share)
    match check.kind:
        case "row_count":
            return f"row_count {_between(check.min_rows, check.max_rows)}"
        case "mean":
            return f"mean {_between(check.low, check.high)}"
        case "nulls":
            return f"nulls max {share}"
        case "freshness":
            return f"freshness within {spoken(within_seconds)}"
        case "distribution":
            return f"distribution within {share}"
    return f"change of {'sum' if check.columns else 'rows'} {_change_words(check)}"


def _between(low: float | None, high: float | None) -> str:
    bounds = (("min", low), ("max", high))
    return " ".join(f"{name} {bound:.15g}" for name, bound in bounds if bound is not None)


def _change_words(check: CheckDeclaration) -> str:
    if check.grow == check.shrink and check.grow is not None:
        return f"by {percent(check.grow)}"
    bounds = (("grow", check.grow), ("shrink", check.shrink))
    return " ".join(f"{name} {percent(most)}" for name, most in bounds if most is not None)


def percent(share: float) -> str:
    """A share as a percentage.

    >>> percent(0.125)
    '12.5 %'
    """
    return f"{share * 100:.10g} %"


_UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def spoken(seconds: float) -> str:
    """A length of time in the largest unit that it is a whole number of.

    >>> spoken(7200), spoken(86400), spoken(5400)
    ('2 hours', '1 day', '90 minutes')
    """
    for name, length in _UNITS:
        if seconds >= length and seconds % length == 0:
            number = seconds // length
            return f"{number:.0f} {name}" + ("" if number == 1 else "s")
    return f"{seconds:g} seconds"


Figures = tuple[dict[str, str], str]
"""Name -> SQL aggregate of what is shown, and the aggregate that is true when it is wrong."""


def figures_sql(table: str, shown: dict[str, str], wrong: str) -> str:
    """A SELECT of one row, the figures, if they are wrong."""
    columns = ", ".join(f"{figure} AS {quote(name)}" for name, figure in shown.items())
    return f"SELECT {columns} FROM {quote(table)} HAVING {wrong}"


def row_count_figures(check: CheckDeclaration, _table: str) -> Figures:
    """The number of rows."""
    low = "" if check.min_rows is None else f"count(*) < {check.min_rows}"
    high = "" if check.max_rows is None else f"count(*) > {check.max_rows}"
    return {"rows": "count(*)"}, " OR ".join(bound for bound in (low, high) if bound)


def mean_figures(check: CheckDeclaration, _table: str) -> Figures:
    """The mean of a column, NULLs left out; without values there is none, and that is wrong."""
    mean = f"avg({quote(check.columns[0])})"
    low = [] if check.low is None else [f"{mean} < {check.low!r}"]
    high = [] if check.high is None else [f"{mean} > {check.high!r}"]
    return {"mean": mean}, f"coalesce({' OR '.join([*low, *high])}, true)"


def nulls_figures(check: CheckDeclaration, _table: str) -> Figures:
    """The share of rows in which a column is NULL; 0 of an empty table."""
    nulls = f"count(*) - count({quote(check.columns[0])})"
    # Rounded: 29 % of 100 rows is 28.999999999999996 in floating point.
    wrong = f"{nulls} > round({check.share!r} * count(*), 6)"
    return {"nulls": nulls, "rows": "count(*)"}, wrong


def change_figures(check: CheckDeclaration, table: str) -> Figures:
    """The number of rows, or the sum of a column, against those of the published version.

    Of nothing, or of a sum of 0, there is no share: then any change passes.
    """
    what = "sum" if check.columns else "rows"
    now = f"coalesce(sum({quote(check.columns[0])}), 0)" if check.columns else "count(*)"
    before = f"(SELECT {now} FROM {quote(before_name(table))})"
    bounds = [f"{now} - {before} > round({check.grow!r} * abs({before}), 6)"]
    bounds.append(f"{before} - {now} > round({check.shrink!r} * abs({before}), 6)")
    asked = (check.grow, check.shrink)
    wrong = " OR ".join(
        bound for bound, most in zip(bounds, asked, strict=True) if most is not None
    )
    return {f"{what} before": before, f"{what} now": now}, f"{before} <> 0 AND ({wrong})"


def set_aside_figures(tolerance: Tolerance, everything: str) -> Figures:
    """The rows of a quarantine against a tolerance; `everything` is the relation of all rows."""
    of = f"(SELECT count(*) FROM {everything})"
    limit = tolerance.rows if tolerance.share is None else f"round({tolerance.share!r} * {of}, 6)"
    return {"set aside": "count(*)", "of rows": of}, f"count(*) > {limit}"


def distribution_sql(check: CheckDeclaration, table: str, type_name: str) -> str:
    """A SELECT of how far the values of a column have moved from the published version's.

    For numbers, the Kolmogorov-Smirnov distance of the two empirical distributions: the largest
    difference between the shares of values at or below any one value (Smirnov 1948, Annals of
    Mathematical Statistics 19); NULLs are left out. For any other type the total variation
    distance: half the sum of the differences between each value's shares, NULL being a value
    (Levin and Peres, Markov Chains and Mixing Times, proposition 4.2). Both are 0 to 1, and exact.

    The one row has the distance, the value at which the two differ most, and the shares there.
    """
    column = quote(check.columns[0])
    numbers = is_numeric(type_name)
    shares = " UNION ALL ".join(
        _shares(column, side, relation, present=numbers)
        for side, relation in (("now", table), ("before", before_name(table)))
    )
    moved = f"SELECT v, sum(now) AS now, sum(before) AS before FROM ({shares}) GROUP BY v"
    if numbers:
        sums = ", ".join(f"sum({side}) OVER (ORDER BY v) AS {side}" for side in ("now", "before"))
        moved = f"SELECT v, {sums} FROM ({moved})"
    distance = f"{'max' if numbers else '0.5 * sum'}(abs(now - before))"
    at = ", ".join(
        f"arg_max({figure}, abs(now - before)) AS {quote(name)}"
        for name, figure in (
            ("at value" if numbers else "most by", "coalesce(CAST(v AS VARCHAR), 'NULL')"),
            ("share before", "round(before, 4)"),
            ("share now", "round(now, 4)"),
        )
    )
    return (
        f'SELECT round({distance}, 4) AS "distance", {at} FROM ({moved})'
        f" HAVING max(before) > 0 AND round({distance}, 9) > {check.share!r}"
    )


def _shares(column: str, side: str, relation: str, *, present: bool) -> str:
    """A SELECT of each value's share of the rows of one side; 0 on the other side."""
    other = "0" if side == "now" else "share"
    own = "share" if side == "now" else "0"
    where = f" WHERE {column} IS NOT NULL" if present else ""
    return (
        f"SELECT v, CAST({own} AS DOUBLE) AS now, CAST({other} AS DOUBLE) AS before FROM"
        f" (SELECT {column} AS v, count(*) / sum(count(*)) OVER () AS share"
        f" FROM {quote(relation)}{where} GROUP BY {column})"
    )
