"""A gate inside this process: the same policy file, decisions and records as a server's.

gate = Gate.from_policy("portcullis.yaml", agent="support-bot")

@gate.tool("stripe.refund")
def refund(charge: str, amount: float) -> str: ...

with gate.session(user="alice"):
    refund("ch_1", 20)          # raises SafetyViolation if the policy says no
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar, cast, overload

from . import _engine
from ._engine import Decision
from ._later import asyncio as _asyncio
from ._later import new_id
from ._plain import Binder, begun, is_async, plain
from .errors import ApprovalDenied, GateUnavailable, PolicyError, SafetyViolation, stays, violation_of

__all__ = ["Decision", "Gate", "Session"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Session:
    """On whose behalf, and in which run. Everything that happens inside carries it."""

    user: str | None = None
    session_id: str | None = None
    agent: str | None = None
    step: str | None = None
    environment: str | None = None
    context: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())


_session: ContextVar[Session | None] = ContextVar("portcullis_session", default=None)


class Gate:
    """A gate in this process. Made by `from_policy` or `from_text`; safe to use from any thread."""

    def __init__(self, engine: _engine.Engine, agent: str | None = None, by: str | None = None) -> None:
        self._engine = engine
        self.agent = agent
        self.by = by if by is not None else f"process:{os.getpid()}"

    @classmethod
    def from_policy(cls, policy: str | os.PathLike[str], store: str | None = None, *, agent: str | None = None) -> Gate:
        """Opens a gate with a policy file. `store` is `sqlite:PATH`; without one nothing outlives the process.

        Raises `PolicyError` with every mistake of the policy, `GateUnavailable` if the store cannot be opened.
        """
        return cls(_open(os.fspath(policy), store, False), agent)

    @classmethod
    def from_text(cls, policy: str, store: str | None = None, *, agent: str | None = None) -> Gate:
        """The same with the policy as text."""
        return cls(_open(policy, store, True), agent)

    def __reduce__(self) -> NoReturn:
        raise stays(
            "a gate", "it holds a store and threads; open it there, with Gate.from_policy(...) and the same store"
        )

    @property
    def policy_version(self) -> str:
        """The version of the policy in force."""
        return self._engine.policy_version

    def check(
        self,
        tool: str,
        args: Mapping[str, Any] | None = None,
        *,
        agent: str | None = None,
        user: str | None = None,
        session_id: str | None = None,
        step: str | int | None = None,
        environment: str | None = None,
        context: Mapping[str, Any] | None = None,
        estimated_cost_usd: Any = None,
        estimated_tokens: int | None = None,
        idempotency_key: str | None = None,
        approval_id: str | None = None,
    ) -> Decision:
        """Decides one action and records the decision. Never raises for a denial: see `decision.allowed`.

        What is not given comes from the session around it. Raises `GateUnavailable` if nothing can be decided.
        """
        around = _session.get() or _NOBODY
        request: dict[str, Any] = {
            "agent_id": agent or around.agent or self.agent or "",
            "tool": tool,
            "args": None if args is None else plain(args),
        }
        for key, value in (
            ("user", user if user is not None else around.user),
            ("session_id", session_id if session_id is not None else around.session_id),
            ("step", step if step is not None else around.step),
            ("environment", environment if environment is not None else around.environment),
            ("context", _context(around.context, context)),
            ("estimated_cost_usd", estimated_cost_usd),
            ("estimated_tokens", estimated_tokens),
            ("idempotency_key", idempotency_key),
            ("approval_id", approval_id),
        ):
            if value is not None:
                request[key] = value
        return self._decide(request)

    def check_all(self, requests: Iterable[Mapping[str, Any]]) -> list[Decision]:
        """Decides many in one commit, in order; each request is what `POST /v1/check` takes."""
        try:
            return self._engine.check_all([dict(it) for it in requests], self.by)
        except _engine.Halted as halt:
            raise GateUnavailable(str(halt)) from None

    def _decide(self, request: dict[str, Any]) -> Decision:
        try:
            return self._engine.check(request, self.by)
        except _engine.Halted as halt:
            raise GateUnavailable(str(halt)) from None

    def report(
        self,
        decision: Decision,
        status: str = "success",
        *,
        result: Any = None,
        error: str | None = None,
        cost_usd: Any = None,
        tokens: int | None = None,
    ) -> dict[str, Any]:
        """Records how an allowed action ended. The answer has the result as the policy lets it out: screened.

        Raises `ValueError` for an outcome that is none, or a second one.
        """
        outcome: dict[str, Any] = {"status": status}
        for key, value in (("result", result), ("error", error), ("cost_usd", cost_usd), ("tokens", tokens)):
            if value is not None:
                outcome[key] = value
        try:
            return cast("dict[str, Any]", json.loads(self._engine.report(decision, outcome)))
        except _engine.Halted as halt:
            raise GateUnavailable(str(halt)) from None

    def approval(self, approval_id: str) -> str:
        """How a question stands: `pending`, `approved`, `denied`, `expired` or `cancelled`."""
        return self._engine.approval(approval_id)[0]

    def approve(self, approval_id: str, by: str, *, groups: Iterable[str] = (), message: str | None = None) -> None:
        """Says yes as `by`. Whoever asked may not; `groups` is vouched for by the caller."""
        self._answer(approval_id, True, by, groups, message)

    def deny(self, approval_id: str, by: str, *, groups: Iterable[str] = (), message: str | None = None) -> None:
        """Says no as `by`."""
        self._answer(approval_id, False, by, groups, message)

    def _answer(self, of: str, yes: bool, by: str, groups: Iterable[str], message: str | None) -> None:
        try:
            self._engine.answer(of, (by, list(groups)), (yes, message))
        except _engine.Halted as halt:
            raise GateUnavailable(str(halt)) from None

    def disable(self, agent: str, reason: str, by: str) -> None:
        """Switches an agent off: its next check is denied."""
        self._engine.switch(agent, False, (reason, by))

    def enable(self, agent: str, reason: str, by: str) -> None:
        """Switches an agent on again."""
        self._engine.switch(agent, True, (reason, by))

    def reload(self) -> None:
        """Reads the policy file again. A file with mistakes raises `PolicyError` and changes nothing."""
        try:
            self._engine.reload()
        except ValueError as mistakes:
            raise PolicyError(str(mistakes)) from None

    def close(self) -> None:
        """Waits for what is under way and stops."""
        self._engine.close()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def session(
        self,
        user: str | None = None,
        session_id: str | None = None,
        *,
        agent: str | None = None,
        step: str | None = None,
        environment: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Generator[Session, None, None]:
        """Everything decided inside belongs to one run, on behalf of `user`. Follows tasks of asyncio, not threads."""
        session = Session(user, session_id or f"s-{new_id()}", agent, step, environment, dict(context or {}))
        token = _session.set(session)
        try:
            yield session
        finally:
            _session.reset(token)

    @overload
    def tool(self, name: F) -> F: ...
    @overload
    def tool(
        self, name: str | None = None, *, wait_s: float | None = None, screen: bool = False
    ) -> Callable[[F], F]: ...
    def tool(
        self, name: str | F | None = None, *, wait_s: float | None = None, screen: bool = False
    ) -> F | Callable[[F], F]:
        """Puts a function behind the gate: checked with its arguments, run if allowed, and its end recorded.

        `name` is the tool in the policy (default: the function's own). `wait_s`: how long to wait for people if one
        must agree; without it, `ApprovalRequired` is raised at once. `screen`: give back what the policy's screens
        make of the result (as plain data) instead of the function's own object; either way a result that a screen
        keeps back raises.
        """
        if name is not None and not isinstance(name, str):
            return self._tool(name, None, None, False)
        return lambda fn: self._tool(fn, name, wait_s, screen)

    def _tool(self, fn: F, name: str | None, wait_s: float | None, screen: bool) -> F:
        if isinstance(fn, (staticmethod, classmethod)):
            inner: Any = fn.__func__
            return cast(F, type(fn)(self._tool(inner, name, wait_s, screen)))
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise TypeError("a generator has no one outcome; put the gate around what it calls")
        if not callable(fn):
            raise TypeError(f"a tool is a function, and this is a `{type(fn).__name__}`")
        named = name or getattr(fn, "__name__", None)
        if named is None:
            raise TypeError(f'a `{type(fn).__name__}` has no name of its own; give the tool\'s: @gate.tool("a.b.c")')
        binder = Binder(fn)

        @functools.wraps(fn)
        def called(*args: Any, **kwargs: Any) -> Any:
            decision = self._agreed(named, plain(binder.bind(args, kwargs)), wait_s)
            return self._carried(decision, screen, lambda: fn(*args, **kwargs))

        @functools.wraps(fn)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            decision = await self._agreed_async(named, plain(binder.bind(args, kwargs)), wait_s)
            return await self._carried_async(decision, screen, lambda: fn(*args, **kwargs))

        return cast(F, awaited if is_async(fn) else called)

    def _agreed(self, tool: str, args: dict[str, Any], wait_s: float | None) -> Decision:
        decision = self.check(tool, args)
        if decision.requires_approval and wait_s is not None and decision.approval_id:
            until = time.monotonic() + wait_s
            while (status := self.approval(decision.approval_id)) == "pending" and time.monotonic() < until:
                time.sleep(0.02)
            decision = self._with_answer(tool, args, decision, status)
        if not decision.allowed:
            raise violation_of(decision)
        return decision

    async def _agreed_async(self, tool: str, args: dict[str, Any], wait_s: float | None) -> Decision:
        decision: Decision = await _asyncio().to_thread(self.check, tool, args)
        if decision.requires_approval and wait_s is not None and decision.approval_id:
            until = time.monotonic() + wait_s
            while (status := self.approval(decision.approval_id)) == "pending" and time.monotonic() < until:
                await _asyncio().sleep(0.02)
            decision = self._with_answer(tool, args, decision, status)
        if not decision.allowed:
            raise violation_of(decision)
        return decision

    def _with_answer(self, tool: str, args: dict[str, Any], asked: Decision, status: str) -> Decision:
        if status == "pending":
            return asked
        if status == "approved":
            return self.check(tool, args, approval_id=asked.approval_id)
        _, _, message = self._engine.approval(asked.approval_id or "")
        said = f": {message}" if message else ""
        raise ApprovalDenied(
            f"approval `{asked.approval_id}` was {status}{said}",
            code="approval_denied" if status == "denied" else "approval_expired",
            rule=asked.rule,
            decision=asked,
        )

    def _carried(self, decision: Decision, screen: bool, run: Callable[[], Any]) -> Any:
        try:
            result = begun(run())
        except BaseException as error:
            self._failed(decision, str(error) or type(error).__name__)
            raise
        return self._ended(decision, result, screen)

    async def _carried_async(self, decision: Decision, screen: bool, run: Callable[[], Any]) -> Any:
        aside = _asyncio().to_thread
        try:
            ended: Any = await run()
        except _asyncio().CancelledError:
            # Whoever is cancelled may not wait for anything any more, not even for a thread.
            self._failed(decision, "cancelled while it ran")
            raise
        except BaseException as error:
            await aside(self._failed, decision, str(error) or type(error).__name__)
            raise
        return await aside(self._ended, decision, ended, screen)

    def _failed(self, decision: Decision, why: str) -> None:
        self.report(decision, "failed", error=why.encode("utf-8", "replace").decode()[:4096])

    def _ended(self, decision: Decision, result: Any, screen: bool) -> Any:
        data: Any = plain(result)
        try:
            reply = self.report(decision, "success", result=data)
        except ValueError:
            # It was done, whatever came back: what is no data is recorded as its kind, and cannot be screened.
            reply = self.report(decision, "success", result=f"<{type(result).__name__}>")
        if reply.get("withheld"):
            raise SafetyViolation(
                f"it was done, and its result is kept back: {reply['withheld']}", code="screen", decision=decision
            )
        return reply.get("result") if screen else result


_NOBODY = Session()


def _context(around: Mapping[str, Any], own: Any) -> Any:
    """The session's context and the call's own. What is no object stays what it is: the engine says so."""
    if own is None:
        return dict(around) or None
    if not isinstance(own, Mapping):
        return own
    return plain({**around, **own})


def _open(policy: str, store: str | None, is_text: bool) -> _engine.Engine:
    try:
        return _engine.Engine(policy, store, is_text)
    except ValueError as mistakes:
        raise PolicyError(str(mistakes)) from None
    except _engine.Halted as halt:
        raise GateUnavailable(str(halt)) from None
