-- Notes where the entries end, and how many of them are in the files; returns nothing.
INSERT INTO head (id, count, hash, filed, seal) VALUES (1, :count, :hash, :filed, :seal)
ON CONFLICT (id) DO UPDATE SET
    count = excluded.count, hash = excluded.hash, filed = excluded.filed, seal = excluded.seal
