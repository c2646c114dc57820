"""The process that imports what the notebooks import, once, and forks a kernel from itself for each of them.

in: lines of JSON on stdin: {"import": [modules]}, {"start": name, "connection": file, "env": {...}}, {"kill": name},
    {"call": name, "request": file}
out: lines of JSON on stdout: {"warm": seconds}, {"bound": name}, {"ended": name, "code": n}

It ends with its parent, however that ends: stdin closes, every kernel's process group is killed, and the folder named
on the command line (sockets, connection files) is removed. Run as `python -P -m clvbook.report.zygote FOLDER`.
"""

import gc
import importlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

# Forking after imports is safe on Linux; on macOS system libraries forbid it, so kernels start from nothing there.
FORKS = sys.platform == "linux" and not os.environ.get("CLVBOOK_NO_FORK")

HELD = {signal.SIGCHLD, signal.SIGTERM}

kernels: dict[int, str] = {}


def main(folder: str) -> None:
    """Serve until stdin closes."""
    # The pipe to the parent must survive whatever an import or a kernel prints.
    pipe = os.dup(1)
    os.dup2(2, 1)
    os.set_inheritable(pipe, False)
    signal.signal(signal.SIGCHLD, lambda *_: _reap(pipe))
    signal.signal(signal.SIGTERM, lambda *_: _end(folder))  # heard in the midst of an import, too
    try:
        for line in _orders():
            order = json.loads(line)
            if "import" in order:
                _say(pipe, warm=_warm(order["import"]))
            elif "start" in order:
                _start(order["start"], order["connection"], order["env"], pipe)
            elif "call" in order:
                _ask(order["call"], order["request"], pipe)
            elif "kill" in order:
                for pid in [pid for pid, name in kernels.items() if name == order["kill"]]:
                    _kill(pid)
    finally:
        _end(folder)


def _orders() -> Iterator[bytes]:
    """The lines of stdin.

    A signal that comes just before a read is answered only after it, so a kernel's end could stay unheard until the
    next order: each signal therefore writes a byte that is waited for, too.
    """
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    rest = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)  # the handler itself runs between these lines
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            yield from lines


def _end(folder: str) -> None:
    for pid in list(kernels):
        _kill(pid)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _say(pipe: int, **message: object) -> None:
    with suppress(OSError):  # the parent is gone; stdin tells so next
        os.write(pipe, json.dumps(message).encode() + b"\n")


def _warm(modules: list[str]) -> float:
    """Import what can be imported; what cannot is the notebook's own error to tell."""
    start = time.perf_counter()
    if FORKS:
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        gc.disable()  # nothing that an import makes is garbage
        for module in ["ipykernel.kernelapp", "ipykernel.zmqshell", *modules]:
            with suppress(Exception, SystemExit), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(module)
        gc.freeze()  # forked kernels share these pages
        gc.enable()
    return time.perf_counter() - start


def _start(name: str, connection: str, env: dict[str, str], pipe: int) -> None:
    arguments = ["-f", connection, "--HistoryManager.hist_file=:memory:"]
    if not FORKS:
        _spawn(name, ["-m", "ipykernel_launcher", *arguments], env | {"JPY_PARENT_PID": str(os.getpid())})
        _say(pipe, bound=name)
    elif _fork(name):
        os.environ.update(env)
        _finish(lambda: _serve(arguments, lambda: (_say(pipe, bound=name), os.close(pipe))))


def _ask(name: str, request: str, pipe: int) -> None:
    if not FORKS:
        _spawn(name, ["-P", "-c", f"from clvbook.report import zygote; zygote.answer({request!r})"], {})
    elif _fork(name):
        os.close(pipe)
        _finish(lambda: answer(request))


def answer(request: str) -> None:
    """Call the function that the file `request` names; what it returns, or its error, goes into the file beside it."""
    path = Path(request)
    asked = json.loads(path.read_text(encoding="utf-8"))
    module, _, function = asked["function"].partition(":")
    try:
        said = {"answer": getattr(importlib.import_module(module), function)(**asked["arguments"])}
    except Exception as error:
        known = {name: getattr(error, name) for name in ("fact", "hint") if hasattr(error, name)}
        said = {"error": type(error).__name__, "text": str(error), "trace": traceback.format_exc(), **known}
    path.with_suffix(".answer").write_text(json.dumps(said, default=str), encoding="utf-8")


def _spawn(name: str, arguments: list[str], env: dict[str, str]) -> None:
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, env=os.environ | env, stdin=subprocess.DEVNULL, start_new_session=True)
    kernels[process.pid] = name


def _fork(name: str) -> bool:
    """Whether this is the child: a process group of its own, with nothing to read and no handlers of its parent's."""
    # A kernel that dies at once is known before it is reaped.
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    pid = os.fork()
    if pid:
        with suppress(OSError):  # here and in the child: whoever is first, the group stands before it may be killed
            os.setpgid(pid, pid)
        kernels[pid] = name
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        return False
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for held in HELD:
        signal.signal(held, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    kernels.clear()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return True


def _finish(work: Callable[[], object]) -> None:
    """The rest of a forked child's life: it never returns into its parent's code."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _serve(arguments: list[str], bound: Callable[[], object]) -> None:
    """Be a kernel; `bound` is called when its sockets listen."""
    from ipykernel.kernelapp import IPKernelApp

    class App(IPKernelApp):
        def init_iopub(self, context) -> None:
            context.sndhwm = 0  # a flood of outputs must not push out the message that the cell is done
            super().init_iopub(context)

    sys.argv = ["ipykernel_launcher", *arguments]
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    app = App.instance(parent_handle=os.getppid())  # a kernel looks every second whether its parent still lives
    app.initialize(arguments)
    bound()
    app.start()


def _reap(pipe: int) -> None:
    """Tell the parent of each kernel that ended, and kill what it may have forked."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        name = kernels.pop(pid, None)
        if name is not None:
            _kill(pid)
            _say(pipe, ended=name, code=os.waitstatus_to_exitcode(status))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.path[:] = [str(Path(entry)) for entry in sys.path if entry]
    main(sys.argv[1])
