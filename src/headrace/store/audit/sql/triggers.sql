-- The names of the triggers that refuse changes.
SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name
