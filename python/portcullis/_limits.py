"""A call under its time and resource boundaries."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ._contain import Exceeded, Limits, run_in_process, run_in_thread
from ._later import asyncio as _asyncio
from .boundaries import BoundaryViolation, ResourceBoundary, TimeBoundary
from .errors import SafetyViolation

__all__ = ["carried_out", "carried_out_async"]


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
    )


def _held_cpu(resources: Sequence[ResourceBoundary], cpu: float, wall: float) -> None:
    for boundary in resources:
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
    }.get(exceeded.what, "its process ended without a result")
    return SafetyViolation(why, boundary_violation=BoundaryViolation("resource", name, why, exceeded.taken))
