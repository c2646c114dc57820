"""clvbook: the customer-value workbook of an online shop.

A notebook needs one name of it, `clvbook.open_book(...)`; everything else is imported from its own module.
"""

from importlib.metadata import version

__version__ = version("clvbook")


def __getattr__(name: str):
    # Lazy, so that a wrong parameter is told in a tenth of a second, before the engine and the models are imported.
    if name in {"Book", "open_book"}:
        from clvbook import book

        return getattr(book, name)
    raise AttributeError(f"module 'clvbook' has no attribute '{name}'")
