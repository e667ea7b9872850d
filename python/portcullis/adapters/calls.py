"""A framework's tool calls, taken through a gate: checked, waited for, run, reported.

A call's identity is its meaning: the tool and its arguments, in the session and step. A framework that repeats a step
(a resumed graph, a retried request) does not do it twice, whatever ids it gives its calls.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .. import _engine
from .._later import asyncio as _asyncio
from .._plain import begun, plain
from ..errors import ApprovalDenied, SafetyViolation, violation_of
from ..gate import Gate

if TYPE_CHECKING:
    from ..client import Portcullis

__all__ = ["Calls", "Decided", "Known", "refusal"]

T = TypeVar("T")


class Decided(Protocol):
    """What both kinds of gate answer."""

    @property
    def decision(self) -> str: ...
    @property
    def allowed(self) -> bool: ...
    @property
    def requires_approval(self) -> bool: ...
    @property
    def decision_id(self) -> str | None: ...
    @property
    def approval_id(self) -> str | None: ...
    @property
    def rule(self) -> str | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def code(self) -> str: ...


def refusal(violation: SafetyViolation) -> str:
    """What the model is told of a refusal: that it was one, why, and not to try it another way."""
    return f"This call was refused and not carried out ({violation.code}): {violation}"


class Known(Exception):
    """The call was carried out before; this is what it gave."""

    def __init__(self, result: Any) -> None:
        super().__init__("carried out before")
        self.result = result


class Calls:
    """The calls of one agent.

    `gate`: a `Gate` in this process, or a `Portcullis` client. `names`: what the framework's tools are called in the
    policy, as a mapping or a function; others keep their names. `wait_s`: how long a call waits for people; without
    it, a call that needs them is refused at once. `once`: whether a call that is repeated in the same session and
    step is the same call (needs a `session_id` and a step).
    """

    def __init__(
        self,
        gate: Gate | Portcullis,
        agent: str,
        *,
        user: str | None = None,
        session_id: str | None = None,
        environment: str | None = None,
        context: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | Callable[[str], str] | None = None,
        wait_s: float | None = None,
        once: bool = True,
    ) -> None:
        self.gate = gate
        self.agent = agent
        self.user = user
        self.session_id = session_id
        self.environment = environment
        self.context = dict(context or {})
        self._names = names
        self.wait_s = wait_s
        self.once = once

    def tool(self, name: str) -> str:
        """What a framework's tool is called in the policy."""
        if callable(self._names):
            return self._names(name)
        return (self._names or {}).get(name, name)

    def key(self, tool: str, args: Any, step: str | None, session_id: str | None) -> str | None:
        """The idempotency key of a call: the digest of what it means. None where it has no step to be the same in."""
        if not self.once or step is None or session_id is None:
            return None
        meant = self.meaning(session_id, step, tool, args)
        return None if meant is None else f"call-{meant}"

    @staticmethod
    def meaning(*what: Any) -> str | None:
        """The digest of what is meant: the same for the same values in any order of keys. None for what is no data."""
        try:
            return hashlib.sha256(_engine.canonical(plain(what)).encode()).hexdigest()
        except ValueError:
            return None

    def check(
        self,
        name: str,
        args: Any,
        *,
        step: str | None = None,
        session_id: str | None = None,
        approval_id: str | None = None,
        keyed: bool = True,
    ) -> Decided:
        """Decides one call. `keyed=False`: a call that is asked about in advance is not yet the one that is done."""
        tool, session = self.tool(name), session_id or self.session_id
        more: dict[str, Any] = {
            "user": self.user,
            "session_id": session,
            "step": step,
            "environment": self.environment,
            "context": self.context or None,
            "approval_id": approval_id,
            "idempotency_key": self.key(tool, args, step, session) if keyed else None,
        }
        given = args if isinstance(args, Mapping) or args is None else {"input": args}
        if isinstance(self.gate, Gate):
            return self.gate.check(tool, given, agent=self.agent, **more)
        return self.gate.check(self.agent, tool, given, **more)

    def agreed(self, name: str, args: Any, *, step: str | None = None, session_id: str | None = None) -> Decided:
        """The allow of a call, people waited for. Raises a `SafetyViolation` for everything else, and `Known` for what
        was carried out before."""
        decision = self.check(name, args, step=step, session_id=session_id)
        if decision.requires_approval and self.wait_s is not None and decision.approval_id:
            self._wait(decision)
            decision = self.check(name, args, step=step, session_id=session_id, approval_id=decision.approval_id)
        if not decision.allowed:
            original: Any = getattr(decision, "original", None)
            if isinstance(original, dict) and original.get("status") == "success":
                raise Known(original.get("result"))
            raise violation_of(decision)
        return decision

    def _wait(self, asked: Decided) -> None:
        if not isinstance(self.gate, Gate):
            self.gate.wait_for_approval(asked, self.wait_s or 0.0)  # type: ignore[arg-type]
            return
        of, until = asked.approval_id or "", time.monotonic() + (self.wait_s or 0.0)
        while (status := self.gate.approval(of)) == "pending":
            if time.monotonic() >= until:
                raise violation_of(asked)
            time.sleep(0.02)
        if status != "approved":
            code = "approval_denied" if status == "denied" else "approval_expired"
            raise ApprovalDenied(f"approval `{of}` was {status}", code=code, rule=asked.rule, decision=asked)

    def done(self, decision: Decided, result: Any) -> Any:
        """Reports a success, and gives the result as the policy lets it out."""
        from .._wire import shown

        if decision.decision_id is None:
            return result
        try:
            reply = self._report(decision, "success", result=plain(result))
        except ValueError:
            reply = self._report(decision, "success", result=f"<{type(result).__name__}>")
        return shown(reply, result, decision)  # type: ignore[arg-type]

    def failed(self, decision: Decided, error: BaseException) -> None:
        """Reports a failure. What was taken back while it ran may go on in a thread: nobody knows how it ends, so
        that it stays held and is not done again."""
        if decision.decision_id is not None and not isinstance(error, _asyncio().CancelledError):
            text = (str(error) or type(error).__name__).encode("utf-8", "replace").decode()[:4_096]
            self._report(decision, "failed", error=text)

    def cancelled(self, decision: Decided) -> None:
        """Gives back what an allow holds that nobody will use."""
        if decision.decision_id is not None:
            self._report(decision, "cancelled")

    def _report(self, decision: Decided, status: str, **how: Any) -> dict[str, Any]:
        if isinstance(self.gate, Gate):
            return self.gate.report(decision, status, **how)  # type: ignore[arg-type]
        return self.gate.report(decision.decision_id or "", status, **how)

    def run(
        self,
        name: str,
        args: Any,
        call: Callable[[], T],
        *,
        step: str | None = None,
        session_id: str | None = None,
    ) -> T:
        """The whole path of one call. Raises a `SafetyViolation` if it is refused."""
        try:
            decision = self.agreed(name, args, step=step, session_id=session_id)
        except Known as known:
            return known.result  # type: ignore[no-any-return]
        try:
            result = begun(call())
        except BaseException as error:
            self.failed(decision, error)
            raise
        return self.done(decision, result)  # type: ignore[no-any-return]

    async def arun(
        self,
        name: str,
        args: Any,
        call: Callable[[], Awaitable[T]],
        *,
        step: str | None = None,
        session_id: str | None = None,
    ) -> T:
        """The same for something to await: the gate is asked in a thread, so that the loop goes on."""
        aside = _asyncio().to_thread
        try:
            decision = await aside(self.agreed, name, args, step=step, session_id=session_id)
        except Known as known:
            return known.result  # type: ignore[no-any-return]
        try:
            result = await call()
        except BaseException as error:
            await aside(self.failed, decision, error)
            raise
        return await aside(self.done, decision, result)  # type: ignore[no-any-return]


def read_args(text: str | None) -> Any:
    """The arguments that a model wrote. What is no JSON object is kept as it is, and the gate refuses it."""
    if text is None or text == "":
        return {}
    try:
        return json.loads(text)
    except ValueError:
        return {"$unreadable": text}
