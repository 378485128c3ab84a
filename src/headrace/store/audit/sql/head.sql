-- Where the entries end: count, hash, filed, seal; no row before the first entry.
SELECT count, hash, filed, seal FROM head
