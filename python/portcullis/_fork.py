"""Calls in a process of their own, whose limits are the kernel's.

Answerable for the limits being real: of memory and CPU for all that the call does, which is why it may start no
process of its own unless that is asked for, and for ending it however it resists. Keeps mistakes and runaways within
bounds; a call that means harm can read, write and connect like the program it is part of, and belongs in the sandbox.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

__all__ = ["Exceeded", "Limits", "run_in_process"]


class Exceeded(Exception):
    """A call went beyond a limit: `time`, `memory`, `cpu`, `result` (too large) or `process` (it ended without one).

    With `still_runs` it goes on all the same.
    """

    def __init__(self, what: str, taken: float, still_runs: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.taken = taken
        self.still_runs = still_runs


@dataclass(frozen=True)
class Limits:
    """What a process of a call's own may use. With `processes` it may start others, and each has the limits anew."""

    seconds: float | None = None
    memory_mb: float | None = None
    cpu_seconds: float | None = None
    open_files: int | None = None
    processes: bool = True


# How long it may take to end after its answer, how often it is looked at, and how large an answer may be.
_GRACE = 0.05
_LOOK = 0.05
_LARGEST = 256 << 20
_HEAD = struct.Struct("<Q")


def run_in_process(call: Callable[[], Any], limits: Limits) -> tuple[Any, float]:
    """Runs it in a fork of this process under limits of the kernel; gives the result and the CPU seconds it took.

    What the call changes in memory stays there; its result comes back pickled. Raises `Exceeded`, what the call
    raised, or `RuntimeError` for a result that cannot be pickled or a system without fork.
    """
    if not hasattr(os, "fork"):
        raise RuntimeError("this system cannot fork: memory and CPU limits need the sandbox (`portcullis run`)")
    import pickle

    confine = _confinement(limits)
    _flush()
    read, write = os.pipe()
    start = time.monotonic()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(read)
        _be_the_child(call, limits, write, lambda: confine(parent))
    os.close(write)
    answer: bytes | None = None
    try:
        answer = _answer(read, child, None if limits.seconds is None else start + limits.seconds)
    finally:
        os.close(read)
        taken = time.monotonic() - start
        ended, cpu = _reaped(child, limits, answer is not None)
    if answer is None:
        raise Exceeded("time", taken)
    if not answer:
        raise Exceeded("cpu" if _is_out_of_cpu(ended, cpu, limits) else "process", taken)
    try:
        kind, value, cpu = pickle.loads(answer)
    except Exception as error:
        why = f"the result of an isolated call could not be read back: {type(error).__name__}: {error}"
        raise RuntimeError(why) from None
    if kind in ("memory", "result"):
        raise Exceeded(kind, taken)
    if kind == "raised":
        raise value
    if kind == "odd":
        raise RuntimeError(str(value))
    return value, cpu


def _flush() -> None:
    """What was printed before is printed once."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def _answer(read: int, child: int, until: float | None) -> bytes | None:
    """What the child answers; empty if it ends without; nothing if that takes too long.

    Other processes that were forked meanwhile may hold the pipe open: its end says nothing, so the child is looked at.
    """
    import select

    got = bytearray()
    ended = False
    while True:
        wait = _LOOK
        if until is not None:
            wait = min(wait, until - time.monotonic())
            if wait <= 0 and not ended:
                return None
        ready, _, _ = select.select([read], [], [], 0 if ended else wait)
        if ready:
            piece = os.read(read, 1 << 20)
            got += piece
            if len(got) >= _HEAD.size:
                (size,) = _HEAD.unpack_from(got)
                if len(got) >= _HEAD.size + size:
                    return bytes(got[_HEAD.size : _HEAD.size + size])
            if piece:
                continue
            return b""
        if ended:
            return b""
        # Dead already? Then what it has written is still read, and no more comes. Where that cannot be asked
        # without reaping it, the pipe's end has to do.
        if hasattr(os, "waitid"):
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _reaped(child: int, limits: Limits, answered: bool) -> tuple[int, float]:
    """Ends the child if it has not ended: the signal that ended it, and its CPU seconds."""
    until = time.monotonic() + (_GRACE if answered else 0)
    pid, status, used = os.wait4(child, os.WNOHANG)
    while pid == 0 and time.monotonic() < until:
        time.sleep(0.001)
        pid, status, used = os.wait4(child, os.WNOHANG)
    if limits.processes:
        try:
            os.killpg(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    if pid == 0:
        os.kill(child, signal.SIGKILL)
        _, status, used = os.wait4(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, used.ru_utime + used.ru_stime


def _is_out_of_cpu(ended: int, cpu: float, limits: Limits) -> bool:
    if limits.cpu_seconds is None:
        return False
    return ended in (signal.SIGXCPU, signal.SIGPROF) or cpu >= limits.cpu_seconds


def _be_the_child(call: Callable[[], Any], limits: Limits, write: int, confine: Callable[[], None]) -> NoReturn:
    import pickle

    try:
        before = time.process_time()
        try:
            _limit(limits)
            confine()
            answer: tuple[str, Any, float] = ("done", call(), time.process_time() - before)
        except MemoryError:
            answer = ("memory", None, 0.0)
        except BaseException as error:
            answer = ("raised", error, 0.0)
        _send(write, _pickled(pickle, answer))
        _flush()
    finally:
        os._exit(0)


def _pickled(pickle: Any, answer: tuple[str, Any, float]) -> bytes:
    try:
        text = bytes(pickle.dumps(answer))
        if answer[0] == "raised":
            # Errors that take more than they say are pickled and cannot be read.
            pickle.loads(text)
        if len(text) > _LARGEST:
            return bytes(pickle.dumps(("result", None, 0.0)))
        return text
    except MemoryError:
        return bytes(pickle.dumps(("memory", None, 0.0)))
    except Exception as error:
        kind, value, _ = answer
        why = f"the result of an isolated call must be picklable: {type(error).__name__}: {error}"
        if kind == "raised":
            why = f"the call raised {type(value).__name__}: {value}"
        return bytes(pickle.dumps(("odd", why, 0.0)))


def _send(write: int, text: bytes) -> None:
    rest = memoryview(_HEAD.pack(len(text)) + text)
    while rest:
        rest = rest[os.write(write, rest) :]


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
        # The timer ends it in time; the limit ends what does not heed the timer.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, max(limits.cpu_seconds, 0.001))
        seconds = max(1, int(-(-limits.cpu_seconds // 1)))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if limits.open_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    if limits.processes:
        # A group of its own, which is ended as a whole.
        os.setpgid(0, 0)


# From linux/prctl.h and linux/seccomp.h.
_DEATH_SIGNAL, _SECCOMP, _NO_NEW_PRIVILEGES = 1, 22, 38
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_CLONE_THREAD = 0x10000
# For each machine: its number, those of clone, prlimit64 and setrlimit, and the calls that only start processes.
_MACHINES = {
    "x86_64": (0xC000003E, 56, 302, 160, (57, 58)),
    "aarch64": (0xC00000B7, 220, 261, 164, ()),
}


def _filter(machine: str) -> bytes | None:
    """The kernel's filter of system calls: threads may be started and processes not, and limits not raised."""
    known = _MACHINES.get(machine)
    if known is None:
        return None
    number, clone, prlimit, setrlimit, starts = known
    # Each with where to go if it holds and if not; `A` is allow, `D` deny, `N` not there.
    steps: list[tuple[int, int, str, str]] = [(_LOAD, 4, "", ""), (_EQUAL, number, "", "D"), (_LOAD, 0, "", "")]
    steps += [(_AT_LEAST, 0x40000000, "D", "")]
    steps += [(_EQUAL, it, "D", "") for it in (*starts, setrlimit)]
    steps += [(_EQUAL, 435, "N", ""), (_EQUAL, clone, "C", ""), (_EQUAL, prlimit, "", "A")]
    # Limits may be read: then there is no new one.
    steps += [(_LOAD, 32, "", ""), (_EQUAL, 0, "", "D"), (_LOAD, 36, "", ""), (_EQUAL, 0, "A", "D")]
    labels = {"C": len(steps)}
    steps += [(_LOAD, 16, "", ""), (_HAS, _CLONE_THREAD, "A", "D")]
    for label, answer in (("A", _ALLOW), ("D", _EPERM), ("N", _ENOSYS)):
        labels[label] = len(steps)
        steps.append((_RETURN, answer, "", ""))
    far = [[labels[to] - at - 1 if to else 0 for to in step[2:]] for at, step in enumerate(steps)]
    return b"".join(struct.pack("<HBBI", code, *jumps, k) for (code, k, _, _), jumps in zip(steps, far, strict=True))


def _confinement(limits: Limits) -> Callable[[int], None]:
    """What the child does once it is limited. Made before the fork: nothing is imported behind it."""
    prctl, program, where = None, None, 0
    if sys.platform == "linux":
        try:
            import ctypes

            prctl = ctypes.CDLL(None).prctl
            prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
            text = _filter(os.uname().machine) if not limits.processes else None
            if text is not None:
                code = ctypes.create_string_buffer(text, len(text))
                # struct sock_fprog: how many, padded, and where.
                head = struct.pack("@HP", len(text) // 8, ctypes.addressof(code))
                program = ctypes.create_string_buffer(head, len(head)), code
                where = ctypes.addressof(program[0])
        except (ImportError, OSError, AttributeError):
            prctl = None

    def confine(parent: int) -> None:
        if prctl is not None:
            prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(0)
        if limits.processes:
            return
        # `program` is named so that it lives for as long as `where` points into it.
        can = prctl is not None and program is not None and prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        if not can or prctl is None or prctl(_SECCOMP, 2, where, 0, 0) != 0:
            # No kernel to ask: Python itself refuses.
            sys.addaudithook(_no_process)

    return confine


_STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen", "pty.spawn"}


def _no_process(event: str, args: tuple[Any, ...]) -> None:
    if event in _STARTS:
        raise PermissionError("a call under limits of memory or CPU starts no process: processes=True lets it")
