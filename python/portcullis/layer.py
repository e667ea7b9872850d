"""`SafetyLayer`: policies and boundaries around functions, without a policy file.

The interface of `agent-safety-layer`; where that was unsafe this is not. `docs/python/safety-layer.md` lists what
differs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast, overload

from ._checks import Approvals, SafetyCheckResult, Seen, approve, approve_async, digest_of, looked_at
from ._contain import held_at_use
from ._limits import carried_out, carried_out_async, stepwise, stepwise_async
from ._plain import Binder, is_async, plain
from .approval import ApprovalGate, AsyncApprovalGate, InMemoryApprovalQueue
from .boundaries import Boundary, BoundarySet, NetworkBoundary, PathBoundary, ResourceBoundary, TimeBoundary
from .errors import SafetyViolation, stays
from .hazards import dangerous_commands, production_access
from .policies import Policy, PolicySet
from .replay import RecordedSession, SessionRecorder
from .tracing import Trace, TraceLevel, Tracer, TraceStatus

__all__ = ["SafetyCheckResult", "SafetyLayer", "SafetySession", "create_safety_layer"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class SafetyLayer:
    """Policies, boundaries, approvals and a trace around what an agent does. Safe to use from any thread."""

    def __init__(
        self,
        policies: list[Policy] | None = None,
        boundaries: list[Boundary] | None = None,
        approval_gate: ApprovalGate | AsyncApprovalGate | None = None,
        trace: bool = True,
        raise_on_violation: bool = True,
        on_violation: Callable[[SafetyCheckResult], None] | None = None,
        *,
        agent: str | None = None,
    ) -> None:
        self.policy_set = PolicySet(policies)
        self.boundary_set = BoundarySet(boundaries)
        self.approval_gate: Approvals = approval_gate
        self.trace = trace
        self.raise_on_violation = raise_on_violation
        self.on_violation = on_violation
        self.agent = agent
        self._tracer: Tracer | None = Tracer(name="safety_layer") if trace else None

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is the same layer with a trace of its own."""
        if self.approval_gate is not None:
            raise stays("a layer with an approval gate", "no answer would reach it elsewhere; make the layer there")
        settings = (self.trace, self.raise_on_violation, self.on_violation)
        return _again, (self.policy_set.policies, self.boundary_set.boundaries, settings, self.agent)

    def add_policy(self, policy: Policy) -> None:
        """Adds a policy."""
        self.policy_set.add(policy)

    def remove_policy(self, policy_name: str) -> bool:
        """Removes the policy of this name. Raises `ValueError` if several have it."""
        return self.policy_set.remove(policy_name)

    def add_boundary(self, boundary: Boundary) -> None:
        """Adds a boundary."""
        self.boundary_set.add(boundary)

    def remove_boundary(self, boundary_name: str) -> bool:
        """Removes a boundary by name."""
        return self.boundary_set.remove(boundary_name)

    def check(self, operation: str, context: dict[str, Any] | None = None) -> SafetyCheckResult:
        """Is this allowed? Asks people if they must agree, and waits. Never raises for what it is asked about."""
        plain = not context and type(operation) is str and self.boundary_set.is_empty
        if plain and self.policy_set.has_nothing_to_say(operation):
            return SafetyCheckResult(True)
        result = self._decide(operation, looked_at(operation, context))
        if result.requires_approval and result.allowed:
            approve(self.approval_gate, result, operation, self.agent)
        if result.allowed:
            self._count(result, None)
        return self._told(result)

    def _decide(self, operation: Any, seen: Seen) -> SafetyCheckResult:
        """What policies and boundaries say; people are not asked yet."""
        if not isinstance(operation, str):
            return SafetyCheckResult.odd(f"an operation is text, and this is a `{type(operation).__name__}`")
        unseen = next((place for place, role, _ in seen.leaves if role == "too_much"), None)
        if unseen is not None:
            why = f"there is more in it than is looked at (at `{unseen[:200]}`: too deep, or too many values)"
            return SafetyCheckResult.odd(why, seen)
        results = self.policy_set.evaluate_texts(operation, seen.context, seen.texts)
        crossed = self.boundary_set.check_all(seen.context) if len(self.boundary_set) else []
        if not results and not crossed:
            return SafetyCheckResult(True, seen=seen)
        blocked = bool(crossed) or any(it.is_blocked for it in results)
        asks = any(it.requires_approval for it in results)
        return SafetyCheckResult(not blocked, results, crossed, asks and not blocked, seen=seen)

    def _count(self, result: SafetyCheckResult, session: SafetySession | None) -> None:
        """Takes one of the operations that there may be."""
        for boundary in self.boundary_set:
            if isinstance(boundary, ResourceBoundary) and boundary.max_operations is not None:
                taken = boundary.count() if session is None else session.take(boundary)
                if not taken:
                    result.allowed = False
                    result.boundary_violations.append(boundary.too_many())

    def _told(self, result: SafetyCheckResult) -> SafetyCheckResult:
        if not result.allowed and self.on_violation is not None:
            try:
                self.on_violation(result)
            except Exception as error:
                # Whoever listens has no say: it stays refused.
                result.notes["on_violation_error"] = f"{type(error).__name__}: {error}"
        return result

    @overload
    def guard(self, func: F) -> F: ...
    @overload
    def guard(
        self, func: None = None, *, operation: str | None = None, context: dict[str, Any] | None = None
    ) -> Callable[[F], F]: ...
    def guard(
        self,
        func: F | None = None,
        *,
        operation: str | None = None,
        context: dict[str, Any] | None = None,
    ) -> F | Callable[[F], F]:
        """Puts a function behind the layer: its name, its arguments and `context` are looked at before each call.

        Functions, coroutine functions, generators of both kinds, and methods. Defaults count as arguments.
        """

        def decorator(fn: F) -> F:
            return cast(F, self._guarded(fn, operation, context))

        return decorator(func) if func is not None else decorator

    def _guarded(self, fn: Any, operation: str | None, context: dict[str, Any] | None) -> Any:
        if isinstance(fn, (staticmethod, classmethod)):
            inner = self._guarded(fn.__func__, operation, context)
            return type(fn)(inner)
        if isinstance(fn, property):
            get, put, drop = (it and self._guarded(it, operation, context) for it in (fn.fget, fn.fset, fn.fdel))
            return property(get, put, drop, fn.__doc__)
        if not callable(fn):
            raise TypeError(f"`guard` takes what can be called, and this is a `{type(fn).__name__}`")
        name: str = operation or str(getattr(fn, "__name__", type(fn).__name__))
        call = _Call(self, name, context, Binder(fn))
        if inspect.isasyncgenfunction(fn):

            @functools.wraps(fn)
            async def async_items(*args: Any, **kwargs: Any) -> Any:
                entry, _ = await call.open_async(args, kwargs)
                if entry is _REFUSED:
                    return
                with call.closing(entry):
                    items = fn(*args, **kwargs)
                    if not self.boundary_set.is_empty:
                        items = stepwise_async(items, *self._limits)
                    async with _closed(items):
                        async for item in items:
                            yield item

            return async_items
        if is_async(fn):

            @functools.wraps(fn)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                entry, seen = await call.open_async(args, kwargs)
                if entry is _REFUSED:
                    return None
                return await call.run_async(entry, seen, lambda: cast(Any, fn(*args, **kwargs)))

            return awaited
        if inspect.isgeneratorfunction(fn):

            @functools.wraps(fn)
            def generated(*args: Any, **kwargs: Any) -> Any:
                entry, _ = call.open(args, kwargs)
                if entry is _REFUSED:
                    return None
                with call.closing(entry):
                    items = fn(*args, **kwargs)
                    if not self.boundary_set.is_empty:
                        items = stepwise(items, *self._limits)
                    return (yield from items)

            return generated

        @functools.wraps(fn)
        def called(*args: Any, **kwargs: Any) -> Any:
            entry, seen = call.open(args, kwargs)
            if entry is _REFUSED:
                return None
            return call.run(entry, seen, fn, args, kwargs)

        return called

    @contextmanager
    def session(self, name: str = "session", record: bool = False) -> Generator[SafetySession, None, None]:
        """A run of operations with a trace, a count of operations and, if wanted, a recording of its own."""
        session = SafetySession(self, name=name, record=record)
        try:
            yield session
        finally:
            session.finish()

    def get_trace(self) -> Trace | None:
        """The trace of what went on outside of sessions."""
        return self._tracer.finish() if self._tracer else None

    def reset_trace(self) -> None:
        """Starts a new one."""
        if self.trace:
            self._tracer = Tracer(name="safety_layer")

    @property
    def _limits(self) -> tuple[list[TimeBoundary], list[ResourceBoundary]]:
        every = self.boundary_set.boundaries
        times = [it for it in every if isinstance(it, TimeBoundary)]
        return times, [it for it in every if isinstance(it, ResourceBoundary) and it.needs_process]

    def _held(self, seen: Seen | None) -> Any:
        """The files of this call, held to their boundaries when they are opened."""
        boundaries = [it for it in self.boundary_set if isinstance(it, PathBoundary)] if seen else []
        paths = [str(v) for _, role, v in seen.leaves if role == "path" and isinstance(v, str)] if seen else []
        if not boundaries or not paths:
            return None

        def look(path: str) -> None:
            for boundary in boundaries:
                found = boundary.check({"path": path})
                if found is not None:
                    raise SafetyViolation(f"{found.reason} (when it was opened)", boundary_violation=found)

        return held_at_use(paths, look)

    def _perform(self, seen: Seen | None, run: Callable[[], Any]) -> Any:
        times, resources = self._limits if len(self.boundary_set) else ([], [])
        held = self._held(seen)
        if held is None:
            return carried_out(run, times, resources)
        with held:
            return carried_out(run, times, resources)

    async def _perform_async(self, seen: Seen | None, run: Callable[[], Awaitable[Any]]) -> Any:
        times, resources = self._limits if len(self.boundary_set) else ([], [])
        held = self._held(seen)
        if held is None:
            return await carried_out_async(run, times, resources)
        with held:
            return await carried_out_async(run, times, resources)


def _again(
    policies: list[Policy], boundaries: list[Boundary], settings: tuple[Any, ...], agent: str | None
) -> SafetyLayer:
    """A layer that comes from another process."""
    return SafetyLayer(policies, boundaries, None, *settings, agent=agent)


_REFUSED: Any = object()


@asynccontextmanager
async def _closed(items: Any) -> AsyncGenerator[None, None]:
    """An asynchronous generator is closed where it is left, and not when it is collected."""
    try:
        yield
    finally:
        await items.aclose()


class _Call:
    """How one guarded function is called: made once, used at every call."""

    __slots__ = ("binder", "context", "is_bare", "layer", "name", "nothing")

    def __init__(self, layer: SafetyLayer, name: str, context: dict[str, Any] | None, binder: Binder) -> None:
        self.layer = layer
        self.name = name
        self.context = context
        self.binder = binder
        # A function without parameters is only its name: most of what follows has nothing to look at.
        self.is_bare = binder.takes_nothing and not context
        self.nothing = looked_at(name, context)

    def _look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Seen:
        if not args and not kwargs and self.binder.takes_nothing:
            return looked_at(self.name, self.context)
        return looked_at(self.name, self.context, plain(self.binder.bind(args, kwargs)))

    def open(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Seen]:
        """Checks, and starts the trace's entry."""
        layer = self.layer
        bare = self.is_bare and not args and not kwargs and layer.boundary_set.is_empty
        if bare and layer.policy_set.has_nothing_to_say(self.name):
            tracer = layer._tracer
            return None if tracer is None else tracer.start_operation(self.name, {}), self.nothing
        seen = self._look(args, kwargs)
        result = layer._decide(self.name, seen)
        if result.requires_approval and result.allowed:
            approve(layer.approval_gate, result, self.name, layer.agent)
            self._still(result, args, kwargs)
        return self._opened(result, seen), seen

    async def open_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Seen]:
        """The same without blocking the loop while people think."""
        layer = self.layer
        seen = self._look(args, kwargs)
        result = layer._decide(self.name, seen)
        if result.requires_approval and result.allowed:
            await approve_async(layer.approval_gate, result, self.name, layer.agent)
            self._still(result, args, kwargs)
        return self._opened(result, seen), seen

    def _still(self, result: SafetyCheckResult, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The answer holds for the arguments that were shown; they may have changed meanwhile."""
        request = result.approval_request
        if not result.allowed or request is None:
            return
        if digest_of(self.name, self._look(args, kwargs)) != request.digest:
            result.allowed = False
            result.refusal = "the arguments were changed after a person agreed to them; ask again"

    def _opened(self, result: SafetyCheckResult, seen: Seen) -> Any:
        layer = self.layer
        tracer = layer._tracer
        if result.allowed and len(layer.boundary_set):
            layer._count(result, None)
        if not result.allowed:
            layer._told(result)
            if tracer is not None:
                tracer.log_blocked(self.name, result.blocked_reason or "", seen.shown, result.noted())
            if layer.raise_on_violation:
                raise result.violation()
            return _REFUSED
        if tracer is None:
            return None
        return tracer.start_operation(self.name, seen.shown, metadata=result.noted())

    def run(self, entry: Any, seen: Seen, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = self.layer
        try:
            if not layer.boundary_set.is_empty:
                output = layer._perform(seen, lambda: fn(*args, **kwargs))
            else:
                output = fn(*args, **kwargs)
        except BaseException as error:
            return self._failed(entry, error)
        if inspect.iscoroutine(output):
            later: Any = output
            return self.run_async(entry, seen, lambda: later)
        if entry is not None:
            layer._tracer.end_operation(entry, TraceStatus.COMPLETED, output)  # type: ignore[union-attr]
        return output

    async def run_async(self, entry: Any, seen: Seen, run: Callable[[], Awaitable[Any]]) -> Any:
        try:
            output = await self.layer._perform_async(seen, run)
        except BaseException as error:
            return self._failed(entry, error)
        self._end(entry, TraceStatus.COMPLETED, output)
        return output

    def _failed(self, entry: Any, error: BaseException) -> None:
        """Ends the entry and raises the error, unless it is a violation that is not to be raised."""
        is_ours = isinstance(error, SafetyViolation)
        status = TraceStatus.BLOCKED if is_ours else TraceStatus.FAILED
        self._end(entry, status, None, str(error) or type(error).__name__)
        if not is_ours or self.layer.raise_on_violation:
            raise error

    def _end(self, entry: Any, status: TraceStatus, output: Any = None, error: str | None = None) -> None:
        tracer = self.layer._tracer
        if entry is not None and tracer is not None:
            tracer.end_operation(entry, status, output, error)

    @contextmanager
    def closing(self, entry: Any) -> Generator[None, None, None]:
        """The end of a generator's entry."""
        try:
            yield
        except GeneratorExit:
            self._end(entry, TraceStatus.COMPLETED)
            raise
        except BaseException as error:
            self._end(entry, TraceStatus.FAILED, None, str(error) or type(error).__name__)
            raise
        self._end(entry, TraceStatus.COMPLETED)


class SafetySession:
    """A run of operations: traced, counted, and recorded if wanted."""

    def __init__(self, safety_layer: SafetyLayer, name: str = "session", record: bool = False) -> None:
        self.safety_layer = safety_layer
        self.name = name
        self.record = record
        self.tracer = Tracer(name=name)
        self.recorder: SessionRecorder | None = SessionRecorder(name=name) if record else None
        self._operations: dict[int, int] = {}

    def take(self, boundary: ResourceBoundary) -> bool:
        """Takes one of the operations of this session; false if none is left."""
        count = self._operations.get(id(boundary), 0)
        if boundary.max_operations is not None and count >= boundary.max_operations:
            return False
        self._operations[id(boundary)] = count + 1
        return True

    def check(self, operation: str, context: dict[str, Any] | None = None) -> SafetyCheckResult:
        """Is this allowed? Carries nothing out."""
        return self.safety_layer.check(operation, context)

    def execute(
        self,
        operation: str,
        func: Callable[[], T],
        context: dict[str, Any] | None = None,
        operation_type: str | None = None,
    ) -> T | None:
        """Carries something out if it is allowed. With `raise_on_violation=False`, a refusal gives `None`."""
        layer = self.safety_layer
        seen, started = self._start(operation, context, operation_type)
        result = layer._decide(operation, seen)
        if result.requires_approval and result.allowed:
            approve(layer.approval_gate, result, operation, layer.agent)
        if not self._passed(result, started):
            return None
        try:
            output = layer._perform(seen, func)
        except BaseException as error:
            self._failed(started, result, error)
            return None
        if inspect.iscoroutine(output):
            return cast(T, self._awaiting(output, seen, started, result))
        self._end(started, result, TraceStatus.COMPLETED, output)
        return cast(T, output)

    async def aexecute(
        self,
        operation: str,
        func: Callable[[], Awaitable[T]],
        context: dict[str, Any] | None = None,
        operation_type: str | None = None,
    ) -> T | None:
        """The same for something to await."""
        layer = self.safety_layer
        seen, started = self._start(operation, context, operation_type)
        result = layer._decide(operation, seen)
        if result.requires_approval and result.allowed:
            await approve_async(layer.approval_gate, result, operation, layer.agent)
        if not self._passed(result, started):
            return None
        try:
            output = await layer._perform_async(seen, func)
        except BaseException as error:
            self._failed(started, result, error)
            return None
        self._end(started, result, TraceStatus.COMPLETED, output)
        return cast(T, output)

    def _start(
        self, operation: str, context: dict[str, Any] | None, operation_type: str | None
    ) -> tuple[Seen, tuple[str | None, str | None]]:
        # A copy: the caller's dictionary stays theirs, and what it says of the type counts.
        given = dict(context or {})
        kind = operation_type or str(given.get("operation_type") or "function")
        given["operation_type"] = kind
        seen = looked_at(operation, given)
        traced = self.tracer.start_operation(str(operation), given) if self.safety_layer.trace else None
        recorded = self.recorder.start_operation(str(operation), kind, given) if self.recorder else None
        return seen, (traced, recorded)

    def _passed(self, result: SafetyCheckResult, started: tuple[str | None, str | None]) -> bool:
        layer = self.safety_layer
        if result.allowed:
            layer._count(result, self)
        if result.allowed:
            return True
        layer._told(result)
        self._end(started, result, TraceStatus.BLOCKED, None, result.blocked_reason)
        if layer.raise_on_violation:
            raise result.violation()
        return False

    async def _awaiting(
        self, output: Any, seen: Seen, started: tuple[str | None, str | None], result: SafetyCheckResult
    ) -> Any:
        try:
            value = await self.safety_layer._perform_async(seen, lambda: output)
        except BaseException as error:
            return self._failed(started, result, error)
        self._end(started, result, TraceStatus.COMPLETED, value)
        return value

    def _failed(self, started: tuple[str | None, str | None], result: SafetyCheckResult, error: BaseException) -> None:
        is_ours = isinstance(error, SafetyViolation)
        status = TraceStatus.BLOCKED if is_ours else TraceStatus.FAILED
        self._end(started, result, status, None, str(error) or type(error).__name__)
        if not is_ours or self.safety_layer.raise_on_violation:
            raise error

    def _end(
        self,
        started: tuple[str | None, str | None],
        result: SafetyCheckResult,
        status: TraceStatus,
        output: Any,
        error: str | None = None,
    ) -> None:
        traced, recorded = started
        if traced is not None:
            self.tracer.end_operation(traced, status, output, error, result.noted())
        if recorded is not None and self.recorder is not None:
            request = result.approval_request
            approval = request.status.value if request is not None else None
            self.recorder.end_operation(recorded, output, error, approval=approval)

    def log(self, message: str, level: TraceLevel = TraceLevel.INFO) -> None:
        """Adds a note to the trace."""
        if self.safety_layer.trace:
            self.tracer.log(message, level)

    def finish(self) -> Trace:
        """Ends the trace and gives it."""
        return self.tracer.finish()

    def get_recording(self) -> RecordedSession | None:
        """The recording, if there is one."""
        return self.recorder.finish() if self.recorder else None


def create_safety_layer(
    block_dangerous_commands: bool = True,
    block_production_access: bool = True,
    allowed_paths: list[str] | None = None,
    allowed_hosts: list[str] | None = None,
    enable_tracing: bool = True,
    enable_approval: bool = False,
) -> SafetyLayer:
    """A layer with common settings: what destroys is refused, whatever it is spelled like."""
    policies: list[Policy] = []
    boundaries: list[Boundary] = []
    if block_dangerous_commands:
        policies.append(dangerous_commands())
    if block_production_access:
        policies.append(production_access())
    if allowed_paths:
        boundaries.append(PathBoundary(allowed_paths=allowed_paths, name="path_allowlist"))
    if allowed_hosts:
        boundaries.append(NetworkBoundary(allowed_hosts=allowed_hosts, name="network_allowlist"))
    gate = ApprovalGate(queue=InMemoryApprovalQueue()) if enable_approval else None
    return SafetyLayer(policies, boundaries, gate, enable_tracing)
