-- Number and hash of the last entry; no row without entries.
SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1
