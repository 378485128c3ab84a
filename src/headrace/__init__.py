"""headrace: from raw data to a trusted API, in one Python project."""

from headrace.base.decorators import model

__all__ = ["model"]
