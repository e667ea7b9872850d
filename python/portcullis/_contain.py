"""Calls that end at their time in a thread that is told to stop; `_fork` has those that the kernel stops.

Also holds the files a call was given to their boundary at the moment they are opened, when a link may lead elsewhere
than it did when it was looked at.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from ._fork import Exceeded

__all__ = ["held_at_use", "run_in_thread"]


class _Stop(BaseException):
    """What a thread is told to stop with: nothing that a call would catch by accident."""


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
