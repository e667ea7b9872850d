"""What limits of a call hold against: calls that take memory, spin, multiply, do not listen, and talk without end."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import RESERVES
from portcullis import ResourceBoundary, SafetyLayer, SafetyViolation, TimeBoundary

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is held elsewhere is less")


def limited(call: Callable[..., Any], *boundaries: Any) -> Callable[..., Any]:
    return SafetyLayer(boundaries=list(boundaries)).guard(call)


def seconds(call: Callable[[], Any]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


@pytest.mark.parametrize("how", ["at once", "bit by bit", "in threads"])
def test_memory(how: str) -> None:
    if how == "in threads" and RESERVES:
        pytest.skip("it fits into what a free-threaded interpreter has reserved")

    def grow() -> int:
        kept: list[Any] = []
        if how == "at once":
            return len(bytearray(1 << 30))
        if how == "in threads":
            failed: list[BaseException] = []

            def part() -> None:
                try:
                    kept.append(bytearray(60 << 20))
                except MemoryError as error:
                    failed.append(error)

            threads = [threading.Thread(target=part) for _ in range(4)]
            [it.start() for it in threads]
            [it.join() for it in threads]
            if failed:
                raise failed[0]
            return len(kept)
        while True:
            kept.append("x" * (1 << 20))

    with pytest.raises(SafetyViolation, match="memory|could not start|ended without"):
        limited(grow, ResourceBoundary(max_memory_mb=100), TimeBoundary(20))()
    assert limited(lambda: len(bytearray(30 << 20)), ResourceBoundary(max_memory_mb=100))() == 30 << 20


def test_cpu() -> None:
    def spin() -> None:
        while True:
            pass

    def deaf() -> None:
        for each in (signal.SIGXCPU, signal.SIGPROF, signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        while True:
            try:
                spin()
            except BaseException:
                pass

    tight = ResourceBoundary(max_cpu_seconds=0.2)
    for call in (spin, deaf):
        # By its CPU time, and long before its time is over.
        with pytest.raises(SafetyViolation, match="CPU"):
            limited(call, tight, TimeBoundary(60))()
    # It sleeps: that is no CPU time.
    assert limited(lambda: time.sleep(0.4) or 1, tight)() == 1


def test_a_call_that_does_not_listen_is_ended_at_its_time(tmp_path: Path) -> None:
    mark = tmp_path / "pid"

    def deaf() -> None:
        mark.write_text(str(os.getpid()))
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(each, signal.SIG_IGN)
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass

    def refused() -> None:
        with pytest.raises(SafetyViolation, match="time"):
            limited(deaf, TimeBoundary(0.2, isolate=True))()

    assert seconds(refused) < 10
    assert gone(int(mark.read_text()))


STARTS: list[Callable[[], Any]] = [
    lambda: os.fork(),
    lambda: subprocess.run(["true"], check=True),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    lambda: os.forkpty(),
    lambda: __import__("multiprocessing").get_context("fork").Process(target=print).start(),
]


@pytest.mark.parametrize("start", STARTS)
def test_under_limits_no_process_is_started(start: Callable[[], Any]) -> None:
    mine = os.getpid()

    def call() -> Any:
        try:
            return start()
        except OSError as error:
            return f"refused: {error}"
        finally:
            # Should one have been started, it does not go on as this test.
            if os.getppid() != mine:
                os._exit(1)

    assert str(limited(call, ResourceBoundary(max_memory_mb=500), TimeBoundary(10))()).startswith("refused")


def test_a_fork_bomb_ends(tmp_path: Path) -> None:
    def bomb() -> None:
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)

    with pytest.raises(SafetyViolation):
        limited(bomb, ResourceBoundary(max_cpu_seconds=1), TimeBoundary(0.5))()
    names = [it.read_text() for it in Path("/proc").glob("[0-9]*/comm") if it.exists()]
    assert len(names) < 5000


def test_threads_are_started_and_count() -> None:
    def call() -> int:
        done: list[int] = []
        threads = [threading.Thread(target=lambda n=n: done.append(n)) for n in range(8)]
        [it.start() for it in threads]
        [it.join() for it in threads]
        return len(done)

    assert limited(call, ResourceBoundary(max_memory_mb=800, max_cpu_seconds=5))() == 8

    def spins() -> None:
        threads = [threading.Thread(target=lambda: sum(range(10**10)), daemon=True) for _ in range(4)]
        [it.start() for it in threads]
        time.sleep(30)

    with pytest.raises(SafetyViolation, match="CPU"):
        limited(spins, ResourceBoundary(max_cpu_seconds=0.3), TimeBoundary(20))()


def test_limits_are_not_raised_by_the_call() -> None:
    def call() -> Any:
        size = resource.getrlimit(resource.RLIMIT_AS)
        try:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (OSError, ValueError):
            return size
        return "raised"

    soft, hard = limited(call, ResourceBoundary(max_memory_mb=100))()
    assert soft == hard > 0


def test_what_a_call_starts_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"

    def call(wait: float) -> int:
        child = subprocess.Popen(["sleep", "60"])
        mark.write_text(str(child.pid))
        time.sleep(wait)
        return child.pid

    run = limited(call, TimeBoundary(0.5, isolate=True))
    assert gone(run(0))
    with pytest.raises(SafetyViolation):
        run(30)
    assert gone(int(mark.read_text()))
    allowed = ResourceBoundary(max_memory_mb=500, processes=True)
    assert limited(lambda: subprocess.run(["true"]).returncode, allowed)() == 0


def test_a_call_ends_with_its_program(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys, time
        from portcullis import ResourceBoundary, SafetyLayer
        def call():
            print(os.getpid(), flush=True)
            time.sleep(60)
        SafetyLayer(boundaries=[ResourceBoundary(max_memory_mb=500)]).guard(call)()
        """)
    )
    program = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    call = int(program.stdout.readline())
    program.kill()
    program.wait()
    assert gone(call)


def test_what_is_printed_comes_once(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent("""
        from portcullis import ResourceBoundary, SafetyLayer
        print("before")
        SafetyLayer(boundaries=[ResourceBoundary(max_memory_mb=500)]).guard(lambda: print("inside"))()
        print("behind")
        """)
    )
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["before", "inside", "behind"]


def test_answers_of_any_size_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    isolated = TimeBoundary(20, isolate=True)
    assert len(limited(lambda: b"x" * (40 << 20), isolated)()) == 40 << 20
    monkeypatch.setattr("portcullis._fork._LARGEST", 1 << 20)
    with pytest.raises(SafetyViolation, match="larger"):
        limited(lambda: b"x" * (2 << 20), isolated)()
    for end in (lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os.closerange(3, 99)):
        with pytest.raises(SafetyViolation, match="without a result"):
            limited(end, isolated)()

    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__("odd")

    def raises() -> None:
        raise Odd(1, 2)

    with pytest.raises(RuntimeError, match="Odd: odd"):
        limited(raises, isolated)()


def test_a_flood_of_output_is_no_answer() -> None:
    def flood() -> int:
        with open(os.devnull, "w") as out:
            for _ in range(50):
                out.write("x" * (1 << 20))
        return 1

    assert limited(flood, ResourceBoundary(max_memory_mb=200))() == 1


def test_calls_of_many_threads_do_not_wait_for_each_other() -> None:
    nap = limited(lambda n: time.sleep(n) or os.getpid(), TimeBoundary(60, isolate=True))
    slow = threading.Thread(target=lambda: nap(6))
    slow.start()
    time.sleep(0.05)
    others = [threading.Thread(target=lambda: nap(0.1)) for _ in range(4)]
    [it.start() for it in others]
    [it.join() for it in others]
    assert slow.is_alive()
    slow.join()


def test_limits_hold_in_any_thread_and_in_tasks() -> None:
    def spin() -> None:
        while True:
            pass

    said: list[str] = []

    def call() -> None:
        try:
            limited(spin, ResourceBoundary(max_cpu_seconds=0.1), TimeBoundary(60))()
        except SafetyViolation as error:
            said.append(str(error))

    threads = [threading.Thread(target=call) for _ in range(3)]
    [it.start() for it in threads]
    [it.join() for it in threads]

    async def task() -> None:
        call()

    asyncio.run(task())
    assert len(said) == 4 and all("CPU" in it for it in said)


def test_without_the_kernels_filter_python_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portcullis._fork._MACHINES", {})
    with pytest.raises(PermissionError, match="processes=True"):
        limited(lambda: subprocess.run(["true"]), ResourceBoundary(max_memory_mb=500))()


def test_generators_are_held_to_their_time_and_have_no_process() -> None:
    def items(n: int, wait: float) -> Any:
        for each in range(n):
            time.sleep(wait)
            got = yield each
            if got:
                return f"told {got}"
        return "end"

    assert list(limited(items, TimeBoundary(30))(3, 0)) == [0, 1, 2]
    told = limited(items, TimeBoundary(30))(3, 0)
    next(told)
    with pytest.raises(StopIteration, match="told to"):
        told.send("to")
    seen: list[int] = []
    with pytest.raises(SafetyViolation, match="time"):
        for each in limited(items, TimeBoundary(0.3))(100, 0.1):
            seen.append(each)
    assert len(seen) < 10
    # What happens between two items is not the call's time.
    for _ in limited(items, TimeBoundary(0.5))(3, 0):
        time.sleep(0.3)
    for boundary in (ResourceBoundary(max_memory_mb=100), TimeBoundary(1, isolate=True)):
        with pytest.raises(SafetyViolation, match="generator"):
            list(limited(items, boundary)(3, 0))

    async def lines(n: int, wait: float) -> Any:
        for each in range(n):
            await asyncio.sleep(wait)
            yield each

    async def all_of(call: Callable[..., Any], *args: Any) -> list[int]:
        return [each async for each in call(*args)]

    assert asyncio.run(all_of(limited(lines, TimeBoundary(30)), 3, 0)) == [0, 1, 2]
    with pytest.raises(SafetyViolation, match="time"):
        asyncio.run(all_of(limited(lines, TimeBoundary(0.3)), 100, 0.1))
    with pytest.raises(SafetyViolation, match="generator"):
        asyncio.run(all_of(limited(lines, ResourceBoundary(max_memory_mb=100)), 1, 0))
