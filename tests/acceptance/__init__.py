"""Whole projects over real data, against answers that were computed elsewhere."""
