"""A catalogue of models that are refused, and of near ones that are not, over one small data set.

Of each refused one, building cell by cell really differs from building at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import duckdb
import pytest

from headrace.base.declarations import Partition
from headrace.engines.duckdb import DuckDBEngine
from tests.pipeline.compile.projects import compiled, model, problems, source
from tests.pipeline.compile.test_locality import ACCEPTED

COLUMNS = {"d": "DATE", "k": "INTEGER", "x": "INTEGER"}
DAY = Partition("d", "day")
A, B = source("a", COLUMNS, partition=DAY), source("b", COLUMNS, partition=DAY)
W = source("w", COLUMNS)
# Each row is (day of January 2024, k, x).
ROWS = {
    "a": "(2,1,1), (2,2,4), (3,1,2), (3,1,2), (4,3,1), (NULL,2,3), (5,2,2)",
    "b": "(2,1,3), (3,2,1), (3,1,2), (4,3,0), (4,1,4), (NULL,1,1), (6,1,1)",
    "w": "(2,1,5), (3,3,1), (5,2,2)",
}
CELLS = (*(f"2024-01-0{day}" for day in range(2, 7)), "none")
REFUSED = [
    (
        "SELECT d, sum(x) OVER (ORDER BY d, k, x) AS s FROM a",
        [
            (
                "models/m.sql:1:11: `m` cannot be built partition by partition: the PARTITION BY "
                "of this window of `sum` does not include the partition (`a.d`); change it, say "
                "`lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, count(*) OVER () AS n FROM a",
        [
            (
                "models/m.sql:1:11: `m` cannot be built partition by partition: the PARTITION BY "
                "of this window of `count` does not include the partition (`a.d`); change it, say"
                " `lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, rank() OVER byk AS n FROM a WINDOW byk AS (PARTITION BY k ORDER BY x)",
        [
            (
                "models/m.sql:1:11: `m` cannot be built partition by partition: the PARTITION BY "
                "of this window of `rank` does not include the partition (`a.d`); change it, say "
                "`lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, count(*) OVER (PARTITION BY month(d)) AS n FROM a",
        [
            (
                "models/m.sql:1:11: `m` cannot be built partition by partition: the PARTITION BY "
                "of this window of `count` does not include the partition (`a.d`); change it, say"
                " `lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a QUALIFY row_number() OVER (ORDER BY x, d, k) = 1",
        [
            (
                "models/m.sql:1:28: `m` cannot be built partition by partition: the PARTITION BY "
                "of this window of `row_number` does not include the partition (`a.d`); change "
                "it, say `lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, sum(sum(x)) OVER () AS s FROM a GROUP BY d",
        [
            (
                "models/m.sql:1:11: `m` cannot be built partition by partition: the PARTITION BY "
                "of this window of `sum` does not include the partition (`a.d`); change it, say "
                "`lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT max(d) AS d, sum(x) AS s FROM a",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: an aggregate "
                "without GROUP BY takes the rows of all partitions (`a.d`); change it, say "
                "`lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT max(d) AS d, sum(x) AS s FROM a HAVING count(*) > 1",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: an aggregate "
                "without GROUP BY takes the rows of all partitions (`a.d`); change it, say "
                "`lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT max(d) AS d, k, sum(x) AS s FROM a GROUP BY k",
        [
            (
                "models/m.sql:1:52: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT max(d) AS d, k, sum(x) AS s FROM a GROUP BY ALL",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: this GROUP BY ALL "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT max(d) FILTER (x > 1) AS d, count(*) AS n FROM a GROUP BY d",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT max(d) AS d, median(x) AS m FROM a GROUP BY k",
        [
            (
                "models/m.sql:1:52: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT max(d) AS d, mode() WITHIN GROUP (ORDER BY x) AS m FROM a GROUP BY x",
        [
            (
                "models/m.sql:1:75: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT date_trunc('month', d)::DATE AS d, sum(x) AS s FROM a GROUP BY 1",
        [
            (
                "models/m.sql:1:71: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, k, sum(x) AS s FROM a GROUP BY ROLLUP (d, k)",
        [
            (
                "models/m.sql:1:50: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, k, sum(x) AS s FROM a GROUP BY CUBE (d, k)",
        [
            (
                "models/m.sql:1:48: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, sum(x) AS s FROM a GROUP BY GROUPING SETS ((d), ())",
        [
            (
                "models/m.sql:1:55: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, sum(x) AS s FROM a GROUP BY a.d, ROLLUP (d)",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT d AS e, d, sum(x) AS s FROM a GROUP BY d, ROLLUP (e)",
        [
            (
                "models/m.sql:1:16: `m` cannot be built partition by partition: its column `d` is"
                " not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT d, sum(x) AS s FROM a GROUP BY d, ROLLUP (1)",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a ORDER BY x, d, k LIMIT 2",
        [
            (
                "models/m.sql:1:43: `m` cannot be built partition by partition: LIMIT counts the "
                "rows of all partitions (`a.d`); change it, or take `partition:` out of the "
                "header"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a ORDER BY x, d, k OFFSET 1",
        [
            (
                "models/m.sql:1:44: `m` cannot be built partition by partition: LIMIT counts the "
                "rows of all partitions (`a.d`); change it, or take `partition:` out of the "
                "header"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a ORDER BY x, d, k LIMIT 50%",
        [
            (
                "models/m.sql:1:43: `m` cannot be built partition by partition: LIMIT counts the "
                "rows of all partitions (`a.d`); change it, or take `partition:` out of the "
                "header"
            ),
        ],
    ),
    (
        (
            "SELECT d, x FROM ((SELECT d, x FROM a ORDER BY x, d LIMIT 2) UNION ALL SELECT d, x "
            "FROM b)"
        ),
        [
            (
                "models/m.sql:1:59: `m` cannot be built partition by partition: LIMIT counts the "
                "rows of all partitions (`a.d`); change it, say `inputs: {a: latest}` in the "
                "header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT max(d) AS d, x FROM (SELECT DISTINCT k, x FROM a) JOIN a USING (x) GROUP BY x",
        [
            (
                "models/m.sql:1:45: `m` cannot be built partition by partition: this DISTINCT "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
            (
                "models/m.sql:1:63: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`); change it, say `lookback: 6 "
                "days` in the header, or take `partition:` out of it"
            ),
            (
                "models/m.sql:1:84: `m` cannot be built partition by partition: this GROUP BY "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT DISTINCT ON (k) d, k FROM a ORDER BY k, d, x",
        [
            (
                "models/m.sql:1:21: `m` cannot be built partition by partition: this DISTINCT ON "
                "does not include the partition (`a.d`); change it, say `lookback: 6 days` in the"
                " header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a JOIN b USING (k)",
        [
            (
                "models/m.sql:1:29: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a JOIN b ON b.d < a.d",
        [
            (
                "models/m.sql:1:29: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a JOIN b ON b.d BETWEEN a.d - 1 AND a.d",
        [
            (
                "models/m.sql:1:29: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a CROSS JOIN b",
        [
            (
                "models/m.sql:1:35: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a JOIN b ON a.d = b.d OR a.k = b.k",
        [
            (
                "models/m.sql:1:29: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a LEFT JOIN b ON a.k = b.k",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this LEFT JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT b.d, a.x FROM a RIGHT JOIN b ON a.k = b.k",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this RIGHT JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT b.d, a.x FROM a LEFT JOIN b USING (d)",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`, `b.d`); change "
                "it, or take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT coalesce(a.d, b.d) AS d, b.x FROM a FULL JOIN b ON a.k = b.k",
        [
            (
                "models/m.sql:1:44: `m` cannot be built partition by partition: this FULL JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a FULL JOIN b ON a.d = b.d",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`, `b.d`); change "
                "it, or take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT w.d, a.x FROM w LEFT JOIN a ON w.d = a.d",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this LEFT JOIN "
                "keeps rows of `w` that match nothing, and these are of no partition (`a.d`); "
                "change it, say `lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT coalesce(a.d, w.d) AS d, w.x FROM a FULL JOIN w ON a.d = w.d",
        [
            (
                "models/m.sql:1:44: `m` cannot be built partition by partition: this FULL JOIN "
                "keeps rows of `w` that match nothing, and these are of no partition (`a.d`); "
                "change it, say `lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, a.x FROM a SEMI JOIN b USING (k)",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this SEMI JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, a.x FROM a ANTI JOIN b USING (k)",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this ANTI JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT w.d, w.x FROM w ANTI JOIN a ON w.d = a.d",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this ANTI JOIN "
                "keeps rows of `w` that match nothing, and these are of no partition (`a.d`); "
                "change it, say `lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a ASOF JOIN b ON a.d >= b.d",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this ASOF JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT d + 1 AS d, x FROM a",
        [
            (
                "models/m.sql:1:10: `m` cannot be built partition by partition: its column `d` is"
                " not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT coalesce(d, DATE '2024-01-02') AS d, x FROM a",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT CASE WHEN k > 1 THEN d END AS d, x FROM a",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        (
            "SELECT t.y AS d FROM (SELECT * EXCLUDE (d) FROM (SELECT a.d, w.d, w.d AS z FROM a, "
            "w) AS s) AS t (y, z)"
        ),
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a WHERE x > (SELECT avg(x) FROM b)",
        [
            (
                "models/m.sql:1:30: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, (SELECT max(x) FROM b WHERE b.k = a.k) AS m FROM a",
        [
            (
                "models/m.sql:1:11: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a WHERE EXISTS (FROM b WHERE b.k = a.x)",
        [
            (
                "models/m.sql:1:26: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a WHERE k IN (SELECT x FROM b)",
        [
            (
                "models/m.sql:1:31: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a WHERE d NOT IN (SELECT d FROM b WHERE x = 1)",
        [
            (
                "models/m.sql:1:35: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a WHERE d >= ALL (SELECT d FROM b)",
        [
            (
                "models/m.sql:1:43: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a WHERE d IN (SELECT max(d) FROM b)",
        [
            (
                "models/m.sql:1:31: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, s.n FROM a, LATERAL (SELECT count(*) AS n FROM b WHERE b.d <= a.d) AS s",
        [
            (
                "models/m.sql:1:33: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
            (
                "models/m.sql:1:41: `m` cannot be built partition by partition: an aggregate "
                "without GROUP BY takes the rows of all partitions (`b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT d, sum(x) AS s FROM a GROUP BY d HAVING sum(x) > (SELECT avg(x) FROM b)",
        [
            (
                "models/m.sql:1:57: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a UNION ALL SELECT d, x FROM w",
        [
            (
                "models/m.sql:1:37: `m` cannot be built partition by partition: UNION with rows "
                "that come from no partitioned table (`a.d`); change it, say `lookback: 6 days` "
                "in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a UNION ALL SELECT DATE '2024-01-02', 9",
        [
            (
                "models/m.sql:1:37: `m` cannot be built partition by partition: UNION with rows "
                "that come from no partitioned table (`a.d`); change it, say `lookback: 6 days` "
                "in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT w.d, w.x FROM w EXCEPT SELECT d, x FROM a",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: EXCEPT with rows "
                "that come from no partitioned table (`a.d`); change it, say `lookback: 6 days` "
                "in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, n.x FROM a, (SELECT x FROM a INTERSECT SELECT x FROM b) AS n",
        [
            (
                "models/m.sql:1:25: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
            (
                "models/m.sql:1:59: `m` cannot be built partition by partition: INTERSECT "
                "compares rows that do not hold the partition (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, n.x FROM a, (SELECT k AS x FROM a EXCEPT SELECT x FROM b) AS n",
        [
            (
                "models/m.sql:1:25: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
            (
                "models/m.sql:1:61: `m` cannot be built partition by partition: EXCEPT compares "
                "rows that do not hold the partition (`a.d`, `b.d`); change it, say `lookback: 6 "
                "days` or `inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        (
            "SELECT d, n FROM a, (WITH RECURSIVE r AS (SELECT x AS n FROM b UNION SELECT n + 1 "
            "FROM r WHERE n < 3) FROM r) AS s"
        ),
        [
            (
                "models/m.sql:1:21: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
            (
                "models/m.sql:1:50: `m` cannot be built partition by partition: a recursive query"
                " goes on from row to row (`b.d`); change it, say `lookback: 6 days` or `inputs: "
                "{b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        (
            'SELECT d, "1" AS n FROM (PIVOT (SELECT d, k FROM w) ON k IN (1) USING count(*)) JOIN'
            " (SELECT k FROM a) ON true"
        ),
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        (
            'SELECT d, "1" AS n FROM (SELECT min(d) OVER () AS d, k FROM a) PIVOT (count(*) FOR k'
            " IN (1))"
        ),
        [
            (
                "models/m.sql:1:33: `m` cannot be built partition by partition: the PARTITION BY "
                "of this window of `min` does not include the partition (`a.d`); change it, say "
                "`lookback: 6 days` in the header, or take `partition:` out of it"
            ),
            (
                "models/m.sql:1:71: `m` cannot be built partition by partition: PIVOT and UNPIVOT"
                " are not looked into (`a.d`); change it, say `lookback: 6 days` in the header, "
                "or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, u.y FROM a, (SELECT list(x) AS l FROM b) AS s, unnest(s.l) AS u (y)",
        [
            (
                "models/m.sql:1:25: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
            (
                "models/m.sql:1:33: `m` cannot be built partition by partition: an aggregate "
                "without GROUP BY takes the rows of all partitions (`b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a UNION ALL BY NAME SELECT x, d + 1 AS d FROM b",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`, `b.d`); change "
                "it, or take `partition:` out of the header"
            ),
        ],
    ),
    (
        (
            "SELECT s.e AS d, s.x FROM a LEFT JOIN LATERAL (SELECT a.d AS e, w.x FROM w WHERE w.k"
            " = a.x) AS s ON true"
        ),
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT (SELECT max(d)) AS d, count(*) AS n FROM a",
        [
            (
                "models/m.sql:1:16: `m` cannot be built partition by partition: this aggregates "
                "the rows of the query around it (`a.d`); change it, say `lookback: 6 days` in "
                "the header, or take `partition:` out of it"
            ),
            (
                "models/m.sql:1:30: `m` cannot be built partition by partition: an aggregate "
                "without GROUP BY takes the rows of all partitions (`a.d`); change it, say "
                "`lookback: 6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT w.d, w.x FROM w ASOF JOIN a ON w.k >= a.k",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this ASOF JOIN "
                "does not equate the partitions of both sides (`a.d`); change it, say `lookback: "
                "6 days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        (
            "SELECT q.d, q.x FROM (SELECT {'q': {'d': d}} AS s FROM w) AS t, a, w AS q WHERE "
            "t.s.q.d = a.d"
        ),
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        (
            "SELECT t.z AS d FROM (SELECT * EXCLUDE (d) FROM (SELECT a.x, a.d, w.d, a.d AS y FROM"
            " a, w) AS s) AS t (x, z)"
        ),
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`); change it, or "
                "take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT a.d, w.x FROM a POSITIONAL JOIN w",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this POSITIONAL "
                "JOIN matches rows by their order (`a.d`); change it, say `lookback: 6 days` in "
                "the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a POSITIONAL JOIN b",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this POSITIONAL "
                "JOIN matches rows by their order (`a.d`, `b.d`); change it, say `lookback: 6 "
                "days` or `inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
            (
                "models/m.sql:1:40: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        (
            "SELECT coalesce(a.d, c.d) AS d, b.x FROM (a JOIN b ON a.k = b.k) FULL JOIN b AS c ON"
            " a.d = c.d"
        ),
        [
            (
                "models/m.sql:1:66: `m` cannot be built partition by partition: this FULL JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, b.x FROM a ASOF JOIN b USING (k, d)",
        [
            (
                "models/m.sql:1:24: `m` cannot be built partition by partition: this ASOF JOIN "
                "does not equate the partitions of both sides (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        "SELECT a.d, w.x FROM a CROSS JOIN b LEFT JOIN w ON a.d = b.d AND w.k = a.k",
        [
            (
                "models/m.sql:1:35: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`, `b.d`); change it, say "
                "`lookback: 6 days` or `inputs: {b: latest}` in the header, or take `partition:` "
                "out of it"
            ),
        ],
    ),
    (
        ("WITH c AS (SELECT d, x FROM a) SELECT p.d, q.x FROM c AS p JOIN c AS q ON p.x = q.x + 1"),
        [
            (
                "models/m.sql:1:65: `m` cannot be built partition by partition: this join does "
                "not equate the partitions of what it joins (`a.d`); change it, say `lookback: 6 "
                "days` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a WHERE d > ANY (SELECT d FROM b)",
        [
            (
                "models/m.sql:1:26: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, x FROM a UNION ALL SELECT d + 1, x FROM b",
        [
            (
                "models/m.sql:1:8: `m` cannot be built partition by partition: its column `d` is "
                "not certain to lie in the partition that it is built of (`a.d`, `b.d`); change "
                "it, or take `partition:` out of the header"
            ),
        ],
    ),
    (
        "SELECT a.d, w.x FROM a LEFT JOIN w ON w.k > (SELECT min(x) FROM b)",
        [
            (
                "models/m.sql:1:45: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, count(*) AS n FROM a GROUP BY d, x > (SELECT min(x) FROM b)",
        [
            (
                "models/m.sql:1:48: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT d, count(*) AS n FROM a GROUP BY d, k > (SELECT max(x) - 2 FROM b)",
        [
            (
                "models/m.sql:1:48: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
    (
        "SELECT DISTINCT ON (d, k > (SELECT max(x) - 2 FROM b)) d, k FROM a ORDER BY d, x, k",
        [
            (
                "models/m.sql:1:28: `m` cannot be built partition by partition: this subquery "
                "reads the rows of all partitions (`b.d`); change it, say `lookback: 6 days` or "
                "`inputs: {b: latest}` in the header, or take `partition:` out of it"
            ),
        ],
    ),
]
ALSO_ACCEPTED = [
    "SELECT d, sum(sum(x)) OVER (PARTITION BY d) AS s FROM a GROUP BY d",
    "SELECT date_trunc('day', d) AS d, sum(x) AS s FROM a GROUP BY date_trunc('day', d)",
    "SELECT d, k, sum(x) AS s FROM a GROUP BY d, ROLLUP (k)",
    "SELECT d, k, sum(x) AS s FROM a GROUP BY 1, CUBE (2)",
    "SELECT * EXCLUDE (b.d, b.k, b.x) FROM a JOIN b ON a.d = b.d",
    "SELECT * RENAME (x AS y) FROM a",
    "SELECT * REPLACE (x + 1 AS x) FROM a",
    'SELECT "D" AS d, A.X FROM "A"',
    "SELECT t.p AS d, t.q FROM a AS t (p, q)",
    "WITH a AS (SELECT * FROM a WHERE x > 1) SELECT d, x FROM a",
    "WITH b AS (SELECT * FROM w) SELECT a.d, b.x FROM a CROSS JOIN b",
    "SELECT d, list_transform([x], lambda d: d + 1) AS l FROM a",
    "SELECT d, unnest(l) AS x FROM (SELECT d, list(x ORDER BY x) AS l FROM a GROUP BY d)",
    "SELECT d, median(x) AS m, count(*) FILTER (x > 1) AS n FROM a GROUP BY d",
    "SELECT d, x FROM a WHERE x > (SELECT avg(x) FROM b WHERE b.d = a.d)",
    "SELECT d, x FROM a WHERE (d, k) IN (SELECT d, k FROM b)",
    "SELECT d, x FROM a WHERE NOT EXISTS (FROM b WHERE b.d = a.d AND b.k = a.x)",
    "SELECT d, (WITH c AS (FROM b) SELECT count(*) FROM c WHERE c.d = a.d) AS n FROM a",
    ("SELECT coalesce(b.d, a.d) AS d, count(*) AS n FROM a FULL JOIN b ON a.d = b.d GROUP BY ALL"),
    "SELECT a.d, b.x FROM a LEFT JOIN b ON a.d IS NOT DISTINCT FROM b.d",
    "SELECT d, x FROM a EXCEPT ALL SELECT d, x FROM w",
    "SELECT d, x FROM a UNION ALL BY NAME SELECT x, d FROM b",
    "SELECT DISTINCT ON (1) d, k, x FROM a ORDER BY 1, 2, 3",
    "SELECT any_value(d) AS d, sum(x) AS s FROM a GROUP BY d",
]
Rows = Counter[tuple[str, ...]]


@pytest.fixture(scope="module")
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables with all of their rows in the schema `whole`, and with one cell's in its own."""
    engine = DuckDBEngine(threads=1)
    cursor = engine.cursor()
    for name, held in [("whole", "true"), *((cell, f"{_cell()} = '{cell}'") for cell in CELLS)]:
        cursor.execute(f'CREATE SCHEMA "{name}"')
        for table, rows in ROWS.items():
            typed = f"SELECT make_date(2024, 1, n) AS d, k, x FROM (VALUES {rows}) AS t(n, k, x)"
            where = held if table != "w" else "true"
            cursor.execute(f'CREATE TABLE "{name}".{table} AS FROM ({typed}) WHERE {where}')
    yield cursor
    engine.close()


def _cell() -> str:
    return "coalesce(CAST(d AS DATE)::VARCHAR, 'none')"


def rows(cursor: duckdb.DuckDBPyConnection, name: str, sql: str) -> Rows:
    """The rows of a model over the tables of a schema, each with its cell in front."""
    cursor.execute(f"SET schema = '\"{name}\"'")
    found = cursor.execute(f"SELECT {_cell()}, * FROM ({sql})").fetchall()
    return Counter(tuple(map(str, row)) for row in found)


def differing(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """The cells that are not the same when they are built alone."""
    whole = rows(cursor, "whole", sql)
    return [
        cell
        for cell in CELLS
        if rows(cursor, cell, sql) != Counter({r: n for r, n in whole.items() if r[0] == cell})
    ]


@pytest.mark.parametrize(("sql", "texts"), REFUSED)
def test_a_model_that_differs_by_cells_is_refused_with_the_clause_and_the_ways_out(
    cursor: duckdb.DuckDBPyConnection, sql: str, texts: list[str]
) -> None:
    assert differing(cursor, sql)
    assert problems(A, B, W, model("m", sql, partition=DAY)) == texts


@pytest.mark.parametrize("sql", [*ACCEPTED, *ALSO_ACCEPTED])
def test_a_model_that_is_accepted_is_the_same_by_cells(
    cursor: duckdb.DuckDBPyConnection, sql: str
) -> None:
    assert differing(cursor, sql) == []


@pytest.mark.parametrize("sql", ALSO_ACCEPTED)
def test_a_model_near_a_refused_one_is_accepted(sql: str) -> None:
    relation = compiled(A, B, W, model("m", sql, partition=DAY)).relation("m")
    assert relation.locality is not None


def test_an_aggregate_in_a_subquery_of_columns_around_it_is_refused() -> None:
    """There the group is that of the query around, which is hard to see: no data set is needed."""
    sql = "SELECT d, (SELECT sum(x)) AS s FROM a GROUP BY d"
    assert problems(A, model("m", sql, partition=DAY)) == [
        (
            "models/m.sql:1:19: `m` cannot be built partition by partition: this aggregates the"
            " rows of the query around it (`a.d`); change it, say `lookback: 6 days` in the header,"
            " or take `partition:` out of it"
        )
    ]


def test_a_sample_is_refused_with_or_without_partitions() -> None:
    sql = "SELECT d, x FROM a USING SAMPLE 50%"
    assert problems(A, model("m", sql, partition=DAY)) == [
        "models/m.sql:1:8: a sample differs from run to run; filter by a hash of the key instead"
    ]
