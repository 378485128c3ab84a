"""The audit log: what was done by whom, so that nobody can change it unnoticed."""
