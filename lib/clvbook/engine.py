"""The Ibis connection that computes tables: DuckDB, embedded, within the settings' threads and memory.

in: Settings; out: an Ibis backend whose expressions spill to disk rather than fail when memory runs short
"""

from pathlib import Path

import ibis

from clvbook.settings import Settings


def connect(settings: Settings, *, spill: Path | None = None) -> ibis.BaseBackend:
    """Open an in-memory DuckDB that fetches nothing; `spill` is the folder it may overflow into."""
    options = {
        "memory_limit": settings.engine_memory,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if settings.engine_threads:
        options["threads"] = settings.engine_threads
    if spill:
        options["temp_directory"] = str(spill)
    return ibis.duckdb.connect(**options)
