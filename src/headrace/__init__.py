"""headrace: from raw data to a trusted API, in one Python project."""

from headrace.base.decorators import model
from headrace.base.errors import Retry

__all__ = ["Retry", "model"]
