/*
description: Books by how often they are lent; `q` searches in titles.
access: public
defaults: {q: ""}
params:
  q: {type: text, pattern: "[A-Za-z -]{0,40}"}
*/
SELECT isbn, title, author, loans, days_out, on_shelf
FROM book_popularity
WHERE contains(lower(title), lower($q))
ORDER BY loans DESC, title
