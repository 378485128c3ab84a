/*
description: Every loan with its title, and for how long the book was out.
key: loan_id
*/
SELECT
    l.loan_id,
    l.member_id,
    l.isbn,
    b.title,
    l.lent_on,
    l.returned_on,
    l.returned_on - l.lent_on AS days_out
FROM loans AS l
JOIN books AS b USING (isbn)
