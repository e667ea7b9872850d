"""Calls that end at their limits: in a thread that is told to stop, or in a process that the kernel stops.

Also holds the files a call was given to their boundary at the moment they are opened, when a link may lead elsewhere
than it did when it was looked at.
"""

from __future__ import annotations

import contextvars
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Exceeded", "Limits", "held_at_use", "run_in_process", "run_in_thread"]


class Exceeded(Exception):
    """A call went beyond a limit: `what` is `time`, `memory`, `cpu` or `process`; `still_runs` if it goes on."""

    def __init__(self, what: str, taken: float, still_runs: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.taken = taken
        self.still_runs = still_runs


class _Stop(BaseException):
    """What a thread is told to stop with: nothing that a call would catch by accident."""


@dataclass(frozen=True)
class Limits:
    """What a process of a call's own may use."""

    seconds: float | None = None
    memory_mb: float | None = None
    cpu_seconds: float | None = None
    open_files: int | None = None


_GRACE = 0.05


def run_in_thread(call: Callable[[], Any], seconds: float) -> Any:
    """Runs it, and lets the caller go after so many seconds. Raises `Exceeded`."""
    done: list[Any] = []
    failed: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.append(context.run(call))
        except _Stop:
            pass
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="portcullis-call", daemon=True)
    start = time.monotonic()
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        taken = time.monotonic() - start
        if thread.ident is not None:
            import ctypes

            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Stop))
        thread.join(_GRACE)
        raise Exceeded("time", taken, thread.is_alive())
    if failed:
        raise failed[0]
    return done[0] if done else None


def run_in_process(call: Callable[[], Any], limits: Limits) -> tuple[Any, float]:
    """Runs it in a fork of this process under limits of the kernel; gives the result and the CPU seconds it took.

    What the call changes in memory stays there; its result comes back pickled. Raises `Exceeded`, what the call
    raised, or `RuntimeError` for a result that cannot be pickled or a system without fork.
    """
    if not hasattr(os, "fork"):
        raise RuntimeError("this system cannot fork: memory and CPU limits need the sandbox (`portcullis run`)")
    import pickle

    read, write = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        _be_the_child(call, limits, write)
    os.close(write)
    try:
        answer = _read_all(read, None if limits.seconds is None else start + limits.seconds)
    finally:
        os.close(read)
        taken = time.monotonic() - start
        late = _reaped(child)
    if answer is None:
        raise Exceeded("time", taken)
    if not answer:
        raise Exceeded("cpu" if late == signal.SIGXCPU else "process", taken)
    kind, value, cpu = pickle.loads(answer)
    if kind == "memory":
        raise Exceeded("memory", taken)
    if kind == "raised":
        raise value
    if kind == "odd":
        raise RuntimeError(str(value))
    return value, cpu


def _read_all(read: int, until: float | None) -> bytes | None:
    """Everything until the other side is closed; nothing if that takes too long."""
    import select

    pieces: list[bytes] = []
    while True:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            return None
        ready, _, _ = select.select([read], [], [], left)
        if not ready:
            return None
        piece = os.read(read, 1 << 16)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def _reaped(child: int) -> int:
    """Ends the child if it has not ended; the signal that ended it."""
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid == 0:
        until = time.monotonic() + _GRACE
        while pid == 0 and time.monotonic() < until:
            time.sleep(0.001)
            pid, status = os.waitpid(child, os.WNOHANG)
    if pid == 0:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _be_the_child(call: Callable[[], Any], limits: Limits, write: int) -> None:
    import pickle

    answer: tuple[str, Any, float]
    try:
        _limit(limits)
        before = time.process_time()
        try:
            value = call()
            answer = ("done", value, time.process_time() - before)
        except MemoryError:
            answer = ("memory", None, 0.0)
        except BaseException as error:
            answer = ("raised", error, 0.0)
        try:
            text = pickle.dumps(answer)
        except MemoryError:
            text = pickle.dumps(("memory", None, 0.0))
        except Exception as error:
            why = f"the result of an isolated call must be picklable: {type(error).__name__}: {error}"
            text = pickle.dumps(("odd", why, 0.0))
        with os.fdopen(write, "wb") as pipe:
            pipe.write(text)
    finally:
        os._exit(0)


def _limit(limits: Limits) -> None:
    import resource

    if limits.memory_mb is not None:
        try:
            with open("/proc/self/statm", encoding="ascii") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
        except OSError:
            used = 0
        most = used + int(limits.memory_mb * 1024 * 1024)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if limits.cpu_seconds is not None:
        seconds = max(1, int(-(-limits.cpu_seconds // 1)))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if limits.open_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))


# The files that the call now running was given, and what must hold of them when they are opened.
_Held = tuple[frozenset[str], Callable[[str], None]]
_held: contextvars.ContextVar[_Held | None] = contextvars.ContextVar("portcullis_held", default=None)
_hooked = threading.Lock()
_is_hooked = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVENTS = _words(
    "open os.listdir os.scandir os.remove os.rename os.mkdir os.rmdir os.link os.symlink os.truncate "
    "os.chmod os.chown shutil.copyfile shutil.move shutil.rmtree"
)


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    held = _held.get()
    if held is None:
        return
    names, look = held
    for name in args[:2]:
        if isinstance(name, (str, bytes)):
            path = os.path.abspath(os.fsdecode(name))
            if path in names or any(path.startswith(it + "/") for it in names):
                token = _held.set(None)
                try:
                    look(path)
                finally:
                    _held.reset(token)


@contextmanager
def held_at_use(paths: Sequence[str], look: Callable[[str], None]) -> Generator[None, None, None]:
    """While inside, `look` is called with a path of these whenever Python opens or changes it, and may raise."""
    global _is_hooked
    with _hooked:
        if not _is_hooked:
            sys.addaudithook(_on_event)
            _is_hooked = True
    names = frozenset(os.path.abspath(os.path.expanduser(it)) for it in paths)
    token = _held.set((names, look))
    try:
        yield
    finally:
        _held.reset(token)
