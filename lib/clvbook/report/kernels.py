"""Kernels that are warm when a notebook needs them, and gone when the run is.

in: the modules that notebooks import; out: `Kernel`s that answer over IPC sockets, one a notebook, each its own
process group. A zygote (zygote.py) imports once and forks; it ends with this process, kill -9 included.
"""

import ast
import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from clvbook import errors
from clvbook.errors import KernelDied

# One thread a kernel in BLAS and one hash seed: the same inputs, the same bytes.
STEADY = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Kernel:
    """A kernel process as nbclient sees its manager: has it started, is it alive."""

    has_kernel = True

    def __init__(self, key: str, name: str, connection: dict[str, Any]) -> None:
        self.key = key
        self.name = name
        self.connection = connection
        self.code: int | None = None
        self.bound = threading.Event()
        self.ended = threading.Event()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self.ended.is_set()

    async def connect(self, seconds: float = 60):
        """Open a client whose every channel is known to work; KernelDied where the kernel does not answer."""
        from queue import Empty

        await asyncio.to_thread(self.bound.wait, seconds)  # asking sockets that do not listen yet costs a second
        client = _client_class()(kernel=self)
        client.load_connection_info(self.connection)
        client.context.rcvhwm = 0  # what waits here is never dropped
        client.start_channels(stdin=False, hb=False)
        client.allow_stdin = False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.alive:
                    request = client.kernel_info()
                    with suppress(Empty):
                        await client.get_shell_msg(timeout=1)
                        # Outputs of the first cell are lost unless the subscription stands: wait to hear from it.
                        while True:
                            message = await client.get_iopub_msg(timeout=0.2)
                            state = message["content"].get("execution_state")
                            if state == "idle" and message["parent_header"].get("msg_id") == request:
                                return client
        client.stop_channels()
        raise KernelDied(f"{self.name}: the kernel did not start", "clvbook run again; see that memory is not full")


def _client_class():
    from jupyter_client.asynchronous import AsyncKernelClient

    class Client(AsyncKernelClient):
        """A client that asks the process, not a heartbeat, whether its kernel lives."""

        def __init__(self, *, kernel: Kernel) -> None:
            super().__init__()
            self.kernel = kernel

        async def is_alive(self) -> bool:
            return self.kernel.alive

    return Client


class Kernels:
    """The zygote and the kernels it started. Use as a context: leaving it ends every process."""

    def __init__(self, modules: list[str], *, folder: Path) -> None:
        self.runtime = Path(tempfile.mkdtemp(prefix="clvbook-"))  # socket paths may not be long
        self.log = self.runtime / "log"
        self.kernels: dict[str, Kernel] = {}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "clvbook.report.zygote", str(self.runtime)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=os.environ | STEADY,
                start_new_session=True,  # Ctrl-C reaches this process only, which then ends them
            )
        self._writing = threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._order({"import": modules})

    def __enter__(self) -> "Kernels":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, name: str, *, env: dict[str, str]) -> Kernel:
        """Ask for a kernel; it comes up while the caller does other things."""
        key = f"k{len(self.kernels)}"
        connection = {
            "transport": "ipc",
            "ip": str(self.runtime / key),
            "key": secrets.token_bytes(32).hex().encode(),
            **{f"{port}_port": i for i, port in enumerate(("shell", "iopub", "stdin", "hb", "control"), 1)},
        }
        kernel = self.kernels[key] = Kernel(key, name, connection)
        file = self.runtime / f"{key}.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(connection | {"key": connection["key"].decode(), "signature_scheme": "hmac-sha256"}))
        self._order({"start": key, "connection": str(file), "env": env})
        if not self._listener.is_alive():  # a zygote that is gone starts nothing
            self._end_all()
        return kernel

    def call(self, function: str, **arguments: Any) -> Any:
        """What `function` ("module:name") answers to plain `arguments`, as JSON, in a process forked for it.

        The modules are imported there already, and this process need not import them. Errors of ours come as they were.
        """
        key = f"k{len(self.kernels)}"
        work = self.kernels[key] = Kernel(key, function, {})
        request = self.runtime / f"{key}.call"
        request.write_text(json.dumps({"function": function, "arguments": arguments}), encoding="utf-8")
        self._order({"call": key, "request": str(request)})
        if not self._listener.is_alive():
            self._end_all()
        while not work.ended.wait(1):  # in steps, so that Ctrl-C is heard everywhere
            pass
        try:
            said = json.loads(request.with_suffix(".answer").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise KernelDied(
                f"{function}: its process ended without an answer (exit code {work.code})",
                "most often memory ran out: lower engine_memory",
            ) from None
        if "answer" in said:
            return said["answer"]
        known = getattr(errors, said["error"], None)
        if known and "fact" in said:
            raise known(said["fact"], said["hint"])
        raise RuntimeError(f"{said['error']}: {said['text']}\n{said['trace']}")

    def kill(self, kernel: Kernel) -> None:
        """End a kernel and all it forked."""
        self._order({"kill": kernel.key})

    def kill_all(self) -> None:
        """End every kernel; their notebooks fail at once."""
        for kernel in self.kernels.values():
            self.kill(kernel)

    def close(self) -> None:
        """End the zygote, which ends every kernel and removes their sockets."""
        with suppress(OSError):
            self.process.stdin.close()
        self.process.terminate()  # it may be in the midst of an import, and reads nothing then
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._listener.join(10)
        self.process.stdout.close()
        shutil.rmtree(self.runtime, ignore_errors=True)  # the zygote does so, unless it was killed

    def said(self) -> str:
        """The end of what the processes wrote to stderr, for an error message."""
        with suppress(OSError):
            return self.log.read_text(errors="replace").strip()[-500:]
        return ""

    def _order(self, order: dict[str, Any]) -> None:
        with self._writing, suppress(OSError):  # a dead zygote shows as ended kernels
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()

    def _listen(self) -> None:
        for line in self.process.stdout:
            message = json.loads(line)
            if "bound" in message:
                self.kernels[message["bound"]].bound.set()
            elif "ended" in message:
                kernel = self.kernels[message["ended"]]
                kernel.code = message["code"]
                kernel.ended.set()
                kernel.bound.set()
        self._end_all()

    def _end_all(self) -> None:
        for kernel in list(self.kernels.values()):
            kernel.ended.set()
            kernel.bound.set()


def imported_modules(sources: list[str]) -> list[str]:
    """The modules that notebooks import, in order, from the source of their code cells."""
    found: dict[str, None] = {}
    for source in sources:
        try:
            tree = ast.parse(source)
        except SyntaxError:  # a magic, or the notebook's own fault: its kernel tells
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module] = None
                found.update(dict.fromkeys(f"{node.module}.{alias.name}" for alias in node.names))
    return list(found)
