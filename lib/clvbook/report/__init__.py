"""From notebooks to a published month: run (papermill), render (nbconvert), check, publish in one step.

in: Settings, input hashes, a folder of notebooks; out: reports/<shop>/<YYYY-MM>, the shop's history
"""

from clvbook.report.run import Published, produce, record_failure, warm

__all__ = ["Published", "produce", "record_failure", "warm"]
