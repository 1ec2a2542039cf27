"""Every table of every room. Importing this package imports each module in it, so `metadata` is complete."""

from importlib import import_module
from pkgutil import iter_modules

from bulb.storage.schema.base import metadata

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["metadata"]
