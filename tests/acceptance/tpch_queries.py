"""The 22 queries of TPC-H as SQL models, with the parameters for which answers are published."""

from __future__ import annotations

QUERIES = {
    "q01": """\
        SELECT l_returnflag, l_linestatus,
            sum(l_quantity) AS sum_qty,
            sum(l_extendedprice) AS sum_base_price,
            sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
            sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
            avg(l_quantity) AS avg_qty,
            avg(l_extendedprice) AS avg_price,
            avg(l_discount) AS avg_disc,
            count(*) AS count_order
        FROM lineitem
        WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL 90 DAY
        GROUP BY ALL
        ORDER BY l_returnflag, l_linestatus
        """,
    "q02": """\
        WITH european AS (
            SELECT *
            FROM partsupp
            JOIN supplier ON s_suppkey = ps_suppkey
            JOIN nation ON n_nationkey = s_nationkey
            JOIN region ON r_regionkey = n_regionkey
            WHERE r_name = 'EUROPE'
        ),
        cheapest AS (
            SELECT ps_partkey AS partkey, min(ps_supplycost) AS cost FROM european GROUP BY ALL
        )
        SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
        FROM part
        JOIN european ON ps_partkey = p_partkey
        JOIN cheapest ON partkey = p_partkey AND cost = ps_supplycost
        WHERE p_size = 15 AND p_type LIKE '%BRASS'
        ORDER BY s_acctbal DESC, n_name, s_name, p_partkey
        LIMIT 100
        """,
    "q03": """\
        SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue,
            o_orderdate, o_shippriority
        FROM customer
        JOIN orders ON o_custkey = c_custkey
        JOIN lineitem ON l_orderkey = o_orderkey
        WHERE c_mktsegment = 'BUILDING'
            AND o_orderdate < DATE '1995-03-15'
            AND l_shipdate > DATE '1995-03-15'
        GROUP BY ALL
        ORDER BY revenue DESC, o_orderdate
        LIMIT 10
        """,
    "q04": """\
        SELECT o_orderpriority, count(*) AS order_count
        FROM orders
        WHERE o_orderdate >= DATE '1993-07-01'
            AND o_orderdate < DATE '1993-07-01' + INTERVAL 3 MONTH
            AND EXISTS (
                FROM lineitem WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate
            )
        GROUP BY o_orderpriority
        ORDER BY o_orderpriority
        """,
    "q05": """\
        SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM region
        JOIN nation ON n_regionkey = r_regionkey
        JOIN customer ON c_nationkey = n_nationkey
        JOIN orders ON o_custkey = c_custkey
        JOIN lineitem ON l_orderkey = o_orderkey
        JOIN supplier ON s_suppkey = l_suppkey AND s_nationkey = c_nationkey
        WHERE r_name = 'ASIA'
            AND o_orderdate >= DATE '1994-01-01'
            AND o_orderdate < DATE '1994-01-01' + INTERVAL 1 YEAR
        GROUP BY n_name
        ORDER BY revenue DESC
        """,
    "q06": """\
        SELECT sum(l_extendedprice * l_discount) AS revenue
        FROM lineitem
        WHERE l_shipdate >= DATE '1994-01-01'
            AND l_shipdate < DATE '1994-01-01' + INTERVAL 1 YEAR
            AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01
            AND l_quantity < 24
        """,
    "q07": """\
        SELECT s.n_name AS supp_nation, c.n_name AS cust_nation, year(l_shipdate) AS l_year,
            sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM lineitem
        JOIN supplier ON s_suppkey = l_suppkey
        JOIN nation AS s ON s.n_nationkey = s_nationkey
        JOIN orders ON o_orderkey = l_orderkey
        JOIN customer ON c_custkey = o_custkey
        JOIN nation AS c ON c.n_nationkey = c_nationkey
        WHERE l_shipdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
            AND (s.n_name, c.n_name) IN (('FRANCE', 'GERMANY'), ('GERMANY', 'FRANCE'))
        GROUP BY ALL
        ORDER BY supp_nation, cust_nation, l_year
        """,
    "q08": """\
        SELECT year(o_orderdate) AS o_year,
            coalesce(sum(l_extendedprice * (1 - l_discount)) FILTER (s.n_name = 'BRAZIL'), 0)
                / sum(l_extendedprice * (1 - l_discount)) AS mkt_share
        FROM part
        JOIN lineitem ON l_partkey = p_partkey
        JOIN supplier ON s_suppkey = l_suppkey
        JOIN nation AS s ON s.n_nationkey = s_nationkey
        JOIN orders ON o_orderkey = l_orderkey
        JOIN customer ON c_custkey = o_custkey
        JOIN nation AS c ON c.n_nationkey = c_nationkey
        JOIN region ON r_regionkey = c.n_regionkey
        WHERE r_name = 'AMERICA'
            AND o_orderdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
            AND p_type = 'ECONOMY ANODIZED STEEL'
        GROUP BY o_year
        ORDER BY o_year
        """,
    "q09": """\
        SELECT n_name AS nation, year(o_orderdate) AS o_year,
            sum(l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity) AS sum_profit
        FROM part
        JOIN lineitem ON l_partkey = p_partkey
        JOIN partsupp ON ps_partkey = l_partkey AND ps_suppkey = l_suppkey
        JOIN supplier ON s_suppkey = l_suppkey
        JOIN nation ON n_nationkey = s_nationkey
        JOIN orders ON o_orderkey = l_orderkey
        WHERE p_name LIKE '%green%'
        GROUP BY ALL
        ORDER BY nation, o_year DESC
        """,
    "q10": """\
        SELECT c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) AS revenue,
            c_acctbal, n_name, c_address, c_phone, c_comment
        FROM customer
        JOIN nation ON n_nationkey = c_nationkey
        JOIN orders ON o_custkey = c_custkey
        JOIN lineitem ON l_orderkey = o_orderkey
        WHERE o_orderdate >= DATE '1993-10-01'
            AND o_orderdate < DATE '1993-10-01' + INTERVAL 3 MONTH
            AND l_returnflag = 'R'
        GROUP BY ALL
        ORDER BY revenue DESC
        LIMIT 20
        """,
    "q11": """\
        WITH german AS (
            SELECT ps_partkey, sum(ps_supplycost * ps_availqty) AS value
            FROM partsupp
            JOIN supplier ON s_suppkey = ps_suppkey
            JOIN nation ON n_nationkey = s_nationkey
            WHERE n_name = 'GERMANY'
            GROUP BY ps_partkey
        )
        SELECT ps_partkey, value
        FROM german
        WHERE value > (SELECT sum(value) * 0.0001 FROM german)
        ORDER BY value DESC
        """,
    "q12": """\
        SELECT l_shipmode,
            count(*) FILTER (o_orderpriority IN ('1-URGENT', '2-HIGH')) AS high_line_count,
            count(*) FILTER (o_orderpriority NOT IN ('1-URGENT', '2-HIGH')) AS low_line_count
        FROM orders
        JOIN lineitem ON l_orderkey = o_orderkey
        WHERE l_shipmode IN ('MAIL', 'SHIP')
            AND l_shipdate < l_commitdate
            AND l_commitdate < l_receiptdate
            AND l_receiptdate >= DATE '1994-01-01'
            AND l_receiptdate < DATE '1994-01-01' + INTERVAL 1 YEAR
        GROUP BY l_shipmode
        ORDER BY l_shipmode
        """,
    "q13": """\
        WITH counted AS (
            SELECT c_custkey, count(o_orderkey) AS c_count
            FROM customer
            LEFT JOIN orders
                ON o_custkey = c_custkey AND o_comment NOT LIKE '%special%requests%'
            GROUP BY c_custkey
        )
        SELECT c_count, count(*) AS custdist
        FROM counted
        GROUP BY c_count
        ORDER BY custdist DESC, c_count DESC
        """,
    "q14": """\
        SELECT 100.00 * sum(l_extendedprice * (1 - l_discount)) FILTER (p_type LIKE 'PROMO%')
            / sum(l_extendedprice * (1 - l_discount)) AS promo_revenue
        FROM lineitem
        JOIN part ON p_partkey = l_partkey
        WHERE l_shipdate >= DATE '1995-09-01'
            AND l_shipdate < DATE '1995-09-01' + INTERVAL 1 MONTH
        """,
    "supplier_revenue": """\
        SELECT l_suppkey AS suppkey, sum(l_extendedprice * (1 - l_discount)) AS total_revenue
        FROM lineitem
        WHERE l_shipdate >= DATE '1996-01-01'
            AND l_shipdate < DATE '1996-01-01' + INTERVAL 3 MONTH
        GROUP BY l_suppkey
        """,
    "q15": """\
        SELECT s_suppkey, s_name, s_address, s_phone, total_revenue
        FROM supplier
        JOIN supplier_revenue ON suppkey = s_suppkey
        WHERE total_revenue = (SELECT max(total_revenue) FROM supplier_revenue)
        ORDER BY s_suppkey
        """,
    "q16": """\
        SELECT p_brand, p_type, p_size, count(DISTINCT ps_suppkey) AS supplier_cnt
        FROM partsupp
        JOIN part ON p_partkey = ps_partkey
        ANTI JOIN (FROM supplier WHERE s_comment LIKE '%Customer%Complaints%') AS complained
            ON s_suppkey = ps_suppkey
        WHERE p_brand <> 'Brand#45'
            AND p_type NOT LIKE 'MEDIUM POLISHED%'
            AND p_size IN (49, 14, 23, 45, 19, 3, 36, 9)
        GROUP BY ALL
        ORDER BY supplier_cnt DESC, p_brand, p_type, p_size
        """,
    "q17": """\
        SELECT sum(l_extendedprice) / 7.0 AS avg_yearly
        FROM lineitem AS l
        JOIN part ON p_partkey = l_partkey
        WHERE p_brand = 'Brand#23'
            AND p_container = 'MED BOX'
            AND l_quantity < (
                SELECT 0.2 * avg(l_quantity) FROM lineitem WHERE l_partkey = l.l_partkey
            )
        """,
    "q18": """\
        SELECT c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) AS sum
        FROM customer
        JOIN orders ON o_custkey = c_custkey
        JOIN lineitem ON l_orderkey = o_orderkey
        GROUP BY ALL
        HAVING sum(l_quantity) > 300
        ORDER BY o_totalprice DESC, o_orderdate
        LIMIT 100
        """,
    "q19": """\
        SELECT sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM lineitem
        JOIN part ON p_partkey = l_partkey
        WHERE l_shipmode IN ('AIR', 'AIR REG')
            AND l_shipinstruct = 'DELIVER IN PERSON'
            AND CASE p_brand
                WHEN 'Brand#12' THEN
                    p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG')
                    AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5
                WHEN 'Brand#23' THEN
                    p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK')
                    AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10
                WHEN 'Brand#34' THEN
                    p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG')
                    AND l_quantity BETWEEN 20 AND 30 AND p_size BETWEEN 1 AND 15
                ELSE false
            END
        """,
    "q20": """\
        WITH shipped AS (
            SELECT l_partkey, l_suppkey, 0.5 * sum(l_quantity) AS half
            FROM lineitem
            WHERE l_shipdate >= DATE '1994-01-01'
                AND l_shipdate < DATE '1994-01-01' + INTERVAL 1 YEAR
            GROUP BY ALL
        ),
        with_excess AS (
            SELECT DISTINCT ps_suppkey
            FROM partsupp
            JOIN part ON p_partkey = ps_partkey
            JOIN shipped ON l_partkey = ps_partkey AND l_suppkey = ps_suppkey
            WHERE p_name LIKE 'forest%' AND ps_availqty > half
        )
        SELECT s_name, s_address
        FROM supplier
        JOIN nation ON n_nationkey = s_nationkey
        WHERE n_name = 'CANADA' AND s_suppkey IN (FROM with_excess)
        ORDER BY s_name
        """,
    "q21": """\
        SELECT s_name, count(*) AS numwait
        FROM supplier
        JOIN nation ON n_nationkey = s_nationkey
        JOIN lineitem AS l ON l.l_suppkey = s_suppkey
        JOIN orders ON o_orderkey = l.l_orderkey
        WHERE n_name = 'SAUDI ARABIA'
            AND o_orderstatus = 'F'
            AND l.l_receiptdate > l.l_commitdate
            AND EXISTS (
                FROM lineitem AS other
                WHERE other.l_orderkey = l.l_orderkey AND other.l_suppkey <> l.l_suppkey
            )
            AND NOT EXISTS (
                FROM lineitem AS other
                WHERE other.l_orderkey = l.l_orderkey AND other.l_suppkey <> l.l_suppkey
                    AND other.l_receiptdate > other.l_commitdate
            )
        GROUP BY s_name
        ORDER BY numwait DESC, s_name
        LIMIT 100
        """,
    "q22": """\
        WITH candidates AS (
            SELECT left(c_phone, 2) AS cntrycode, c_acctbal, c_custkey
            FROM customer
            WHERE cntrycode IN ('13', '31', '23', '29', '30', '18', '17')
        )
        SELECT cntrycode, count(*) AS numcust, sum(c_acctbal) AS totacctbal
        FROM candidates
        WHERE c_acctbal > (SELECT avg(c_acctbal) FROM candidates WHERE c_acctbal > 0.00)
            AND NOT EXISTS (FROM orders WHERE o_custkey = c_custkey)
        GROUP BY cntrycode
        ORDER BY cntrycode
        """,
}
