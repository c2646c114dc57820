"""The demo report: `clvbook run` against the same notebooks through papermill's and then nbconvert's command.

in: params/demo.yml and notebooks/; out: both times and their ratio on stdout
Each side starts from an empty cache, in a folder of its own that links to the project's; the peers run one after the
other, as a script would run them. `--rounds N` repeats and compares the medians; ratio below 3: exit code 1.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TARGET = 3.0


def empty_home(folder: Path) -> dict[str, str]:
    """An environment whose project folder is new: the same notebooks, parameters and data, no cache, no reports."""
    for name in ("notebooks", "params", "data"):
        (folder / name).symlink_to(PROJECT / name)
    return os.environ | {"CLVBOOK_HOME": str(folder)}


def timed(commands: list[list[str | Path]], env: dict[str, str], folder: Path) -> float:
    """Seconds that the commands take one after another; the first that fails ends the benchmark with its output."""
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def ours() -> float:
    """`clvbook run`: tables, notebooks, pages, checks, publication."""
    with tempfile.TemporaryDirectory() as folder:
        env = empty_home(Path(folder))
        return timed([[BIN / "clvbook", "run", "params/demo.yml"]], env, Path(folder))


def peers() -> float:
    """Papermill and nbconvert: a command each for every notebook; no tables folder, no checks."""
    with tempfile.TemporaryDirectory() as folder:
        env = empty_home(Path(folder))
        commands: list[list[str | Path]] = []
        for notebook in sorted((PROJECT / "notebooks").glob("*.ipynb")):
            commands.append([BIN / "papermill", notebook, notebook.name, "-f", "params/demo.yml", "-k", "python3"])
            commands.append([BIN / "jupyter", "nbconvert", "--to", "html", "--no-input", notebook.name])
        commands.sort(key=lambda command: command[0].name, reverse=True)  # all papermill, then all nbconvert
        return timed(commands, env, Path(folder))


def main() -> None:
    """Print both times and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, help="repeat, and compare medians")
    rounds = parser.parse_args().rounds
    times = [(peers(), ours()) for _ in range(rounds)]
    theirs, own = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"papermill, then nbconvert: {theirs:6.1f} s")
    print(f"clvbook run:               {own:6.1f} s")
    print(f"ratio:                     {theirs / own:6.2f}  (at least {TARGET:g} is expected)")
    sys.exit(theirs / own < TARGET)


if __name__ == "__main__":
    main()
