-- Notes when a session was last used; of several processes, the latest is right.
UPDATE sessions SET used_at = max(used_at, :used_at) WHERE digest = :digest
