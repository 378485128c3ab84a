"""headrace: from raw data to a trusted API, in one Python project."""
