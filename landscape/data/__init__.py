"""The files of data sets: found or downloaded, checked, parsed. No JAX here."""

from landscape.data.errors import DataError
from landscape.data.store import Store

__all__ = ["DataError", "Store"]
