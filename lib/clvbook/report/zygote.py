"""The process that imports what the notebooks import, once, and forks a kernel from itself for each of them.

in: lines of JSON on stdin: {"import": [modules]}, {"start": name, "connection": file, "env": {...}}, {"kill": name}
out: lines of JSON on stdout: {"warm": seconds}, {"bound": name, "pid": n}, {"ended": name, "code": n}

It ends with its parent, however that ends: stdin closes, every kernel's process group is killed, and the folder named
on the command line (sockets, connection files) is removed. Run as `python -P -m clvbook.report.zygote FOLDER`.
"""

import gc
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
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
        for line in sys.stdin:
            order = json.loads(line)
            if "import" in order:
                _say(pipe, warm=_warm(order["import"]))
            elif "start" in order:
                _start(order["start"], order["connection"], order["env"], pipe)
            elif "kill" in order:
                for pid in [pid for pid, name in kernels.items() if name == order["kill"]]:
                    _kill(pid)
    finally:
        _end(folder)


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
            with suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(module)
        gc.freeze()  # forked kernels share these pages
        gc.enable()
    return time.perf_counter() - start


def _start(name: str, connection: str, env: dict[str, str], pipe: int) -> None:
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", connection, "--HistoryManager.hist_file=:memory:"]
    parent = {"JPY_PARENT_PID": str(os.getpid())}
    if not FORKS:
        process = subprocess.Popen(
            command, env=os.environ | env | parent, stdin=subprocess.DEVNULL, start_new_session=True
        )
        kernels[process.pid] = name
        _say(pipe, bound=name, pid=process.pid)
        return
    # A kernel that dies at once is known before it is reaped, and a child never runs its parent's handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    pid = os.fork()
    if pid:
        with suppress(OSError):  # here and in the child: whoever is first, the group stands before it may be killed
            os.setpgid(pid, pid)
        kernels[pid] = name
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        return
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        kernels.clear()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(env | parent)
        _serve(command[3:], lambda: (_say(pipe, bound=name, pid=os.getpid()), os.close(pipe)))
        code = 0
    finally:
        os._exit(code)


def _serve(arguments: list[str], bound) -> None:
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
