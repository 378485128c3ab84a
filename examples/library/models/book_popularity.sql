/*
description: How often each book was lent, and how many copies are on the shelf.
key: isbn
columns:
  on_shelf: {min: 0}
*/
SELECT
    b.isbn,
    b.title,
    b.author,
    count(h.loan_id) AS loans,
    round(avg(h.days_out), 1) AS days_out,
    b.copies - count(h.loan_id) FILTER (h.returned_on IS NULL) AS on_shelf
FROM books AS b
LEFT JOIN loan_history AS h USING (isbn)
GROUP BY b.isbn, b.title, b.author, b.copies
