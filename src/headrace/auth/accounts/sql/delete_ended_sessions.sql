-- Deletes the sessions that have reached a limit.
DELETE FROM sessions WHERE ends_at <= :now OR used_at <= :idle_since
