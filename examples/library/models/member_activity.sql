/*
description: What each member has read, and has not brought back.
key: member_id
*/
SELECT
    m.member_id,
    m.name,
    count(h.loan_id) AS loans,
    count(h.loan_id) FILTER (h.returned_on IS NULL) AS out_now,
    max(h.lent_on) AS last_loan_on
FROM members AS m
LEFT JOIN loan_history AS h USING (member_id)
GROUP BY m.member_id, m.name
