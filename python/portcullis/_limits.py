"""A call under its time and resource boundaries."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from typing import Any

from ._contain import run_in_thread
from ._fork import Exceeded, Limits, run_in_process
from ._later import asyncio as _asyncio
from .boundaries import BoundaryViolation, ResourceBoundary, TimeBoundary
from .errors import SafetyViolation

__all__ = ["carried_out", "carried_out_async", "stepwise", "stepwise_async"]


def carried_out(call: Callable[[], Any], times: Sequence[TimeBoundary], resources: Sequence[ResourceBoundary]) -> Any:
    """Carries it out under all of them. Raises `SafetyViolation` for the first that is crossed."""
    if not times and not resources:
        return call()
    seconds, tightest = _tightest(times)
    start = time.monotonic()
    try:
        if resources or any(it.isolate for it in times):
            value, cpu = run_in_process(call, _limits(seconds, resources))
            _held_cpu(resources, cpu, time.monotonic() - start)
            return value
        return run_in_thread(call, seconds if seconds is not None else 60.0)
    except Exceeded as exceeded:
        raise _violation(exceeded, tightest, resources) from None
    finally:
        for boundary in times:
            boundary.took(time.monotonic() - start)


async def carried_out_async(
    call: Callable[[], Awaitable[Any]], times: Sequence[TimeBoundary], resources: Sequence[ResourceBoundary]
) -> Any:
    """The same for something to await: it is cancelled at its time. A coroutine has no process of its own."""
    if resources:
        name = resources[0].name
        why = f"`{name}` limits memory, CPU or files, which a coroutine shares with its loop; guard a function instead"
        violation = BoundaryViolation("resource", name, why, None)
        raise SafetyViolation(why, boundary_violation=violation)
    seconds, tightest = _tightest(times)
    if seconds is None:
        return await call()
    start = time.monotonic()
    # Made a task, so that a timeout of the call's own is told from ours.
    task = _asyncio().ensure_future(call())
    try:
        done, _ = await _asyncio().wait({task}, timeout=seconds)
        if not done:
            raise _violation(Exceeded("time", time.monotonic() - start), tightest, resources)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
        for boundary in times:
            boundary.took(time.monotonic() - start)


def stepwise(
    items: Generator[Any, Any, Any], times: Sequence[TimeBoundary], resources: Sequence[ResourceBoundary]
) -> Generator[Any, Any, Any]:
    """The items of a generator for as long as there is time: what it takes for each counts, and not what its caller
    does in between. Raises `SafetyViolation` behind the step that took too long."""
    _no_process(times, resources)
    if not times:
        return (yield from items)
    clock = _Steps(times)
    step: Callable[[Any], Any] = items.send
    given: Any = None
    try:
        while True:
            try:
                with clock:
                    item = step(given)
            except StopIteration as end:
                return end.value
            try:
                step, given = items.send, (yield item)
            except GeneratorExit:
                raise
            except BaseException as error:
                step, given = items.throw, error
    finally:
        items.close()


async def stepwise_async(
    items: AsyncGenerator[Any, Any], times: Sequence[TimeBoundary], resources: Sequence[ResourceBoundary]
) -> AsyncGenerator[Any, None]:
    """The same for an asynchronous generator, which is cancelled at its time."""
    _no_process(times, resources)
    clock = _Steps(times)
    try:
        while True:
            left = clock.left
            step = _asyncio().ensure_future(items.__anext__())
            try:
                with clock:
                    done, _ = await _asyncio().wait({step}, timeout=left)
            finally:
                if not step.done():
                    step.cancel()
                    await _asyncio().wait({step})
            if not done:
                raise clock.over()
            try:
                item = step.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        await items.aclose()


class _Steps:
    """The time that a generator has taken."""

    def __init__(self, times: Sequence[TimeBoundary]) -> None:
        self._times = times
        self._most, self._tightest = _tightest(times)
        self._taken = 0.0
        self._start = 0.0

    @property
    def left(self) -> float | None:
        return None if self._most is None else max(0.0, self._most - self._taken)

    def over(self) -> SafetyViolation:
        return _violation(Exceeded("time", self._taken), self._tightest, ())

    def __enter__(self) -> None:
        self._start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        took = time.monotonic() - self._start
        self._taken += took
        for boundary in self._times:
            boundary.took(took)
        if self._most is not None and self._taken > self._most:
            raise self.over() from None


def _no_process(times: Sequence[TimeBoundary], resources: Sequence[ResourceBoundary]) -> None:
    """A generator runs between its caller's steps, in its caller's process."""
    found = [it.name for it in resources] + [it.name for it in times if it.isolate]
    if found:
        why = f"`{found[0]}` needs a process of its own, which a generator cannot have; guard what makes its items"
        raise SafetyViolation(why, boundary_violation=BoundaryViolation("resource", found[0], why, None))


def _tightest(times: Sequence[TimeBoundary]) -> tuple[float | None, TimeBoundary | None]:
    if not times:
        return None, None
    tightest = min(times, key=lambda it: it.left())
    return tightest.left(), tightest


def _limits(seconds: float | None, resources: Sequence[ResourceBoundary]) -> Limits:
    def least(values: list[Any]) -> Any:
        given = [it for it in values if it is not None]
        return min(given) if given else None

    return Limits(
        seconds,
        least([it.max_memory_mb for it in resources]),
        least([it.max_cpu_seconds for it in resources]),
        least([it.max_open_files for it in resources]),
        all(it.processes for it in resources),
    )


def _held_cpu(resources: Sequence[ResourceBoundary], cpu: float, wall: float) -> None:
    for boundary in resources:
        seconds = boundary.max_cpu_seconds
        if seconds is not None and cpu > seconds:
            why = f"CPU time {cpu:.2f}s exceeds limit {seconds:g}s; it was done, and its result is kept back"
            raise SafetyViolation(
                why, boundary_violation=BoundaryViolation("resource", boundary.name, why, cpu, seconds)
            )
        most = boundary.max_cpu_percent
        # Less than a tenth of a second says nothing about how busy a call keeps the machine.
        if most is not None and wall > 0.1 and 100 * cpu / wall > most:
            used = 100 * cpu / wall
            why = f"CPU usage {used:.0f}% exceeds limit {most:g}%; it was done, and its result is kept back"
            violation = BoundaryViolation("resource", boundary.name, why, used, most)
            raise SafetyViolation(why, boundary_violation=violation)


def _violation(
    exceeded: Exceeded, timed: TimeBoundary | None, resources: Sequence[ResourceBoundary]
) -> SafetyViolation:
    if exceeded.what == "time" and timed is not None:
        found = timed.over(exceeded.taken)
        if exceeded.still_runs:
            found.reason += (
                "; it could not be stopped and goes on in its thread (TimeBoundary(isolate=True) would have stopped it)"
            )
            found.metadata["still_runs"] = True
        return SafetyViolation(found.reason, boundary_violation=found)
    name = resources[0].name if resources else timed.name if timed is not None else "resource_boundary"
    why = {
        "memory": "it needed more memory than it may have, and was ended",
        "cpu": "it needed more CPU time than it may have, and was ended",
        "result": "its result is larger than what a process may hand back",
    }.get(exceeded.what, "its process ended without a result")
    return SafetyViolation(why, boundary_violation=BoundaryViolation("resource", name, why, exceeded.taken))
