-- Forgets the states that would be refused for their age.
DELETE FROM spent_states WHERE expires_at <= :now
