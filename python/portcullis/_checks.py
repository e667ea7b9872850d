"""What is looked at before a call, what was found, and the people who are asked about it."""

from __future__ import annotations

from typing import Any

from . import _engine, _later
from ._later import asyncio as _asyncio
from ._roles import Leaf, leaves, text_of, texts_among
from .approval import ApprovalGate, ApprovalRequest, AsyncApprovalGate
from .boundaries import BoundaryViolation
from .errors import ApprovalDenied, ApprovalRequired, SafetyViolation
from .policies import PolicyResult

__all__ = ["Approvals", "SafetyCheckResult", "Seen", "approve", "approve_async", "digest_of", "looked_at"]

Approvals = ApprovalGate | AsyncApprovalGate | None


class Context(dict[str, Any]):
    """A context of the layer's own making: what of it is looked at has been worked out already."""

    __slots__ = ("leaves", "texts")

    leaves: list[Leaf]
    texts: list[str]


class Seen:
    """What a call is about: a context for policies, leaves for boundaries, texts for patterns."""

    __slots__ = ("context", "leaves", "shown", "texts")

    def __init__(self, context: Context, found: list[Leaf], texts: list[str], shown: dict[str, Any]) -> None:
        self.context = context
        self.leaves = found
        self.texts = texts
        self.shown = shown
        context.leaves = found
        context.texts = texts


def looked_at(operation: Any, context: dict[str, Any] | None, arguments: dict[str, Any] | None = None) -> Seen:
    """Everything that is looked at.

    Of a context, patterns see commands, statements and code; of arguments, every text. Arguments win over a context
    that claims otherwise, but for `operation_type`, which is the program's to say and not the caller's.
    """
    made = Context(context) if context else Context()
    texts: list[str] = [operation] if isinstance(operation, str) else []
    if not made and not arguments:
        return Seen(made, [], texts, made)
    found = list(leaves(made)) if made else []
    texts += texts_among(found)
    if arguments:
        own = list(leaves(arguments))
        said = [text for it in own if (text := text_of(it[2]))]
        texts += said
        if len(said) > 1:
            texts.append(" ".join(said))
        found += own
        kind = made.get("operation_type")
        made.update(arguments)
        made["arguments"] = arguments
        if kind is not None:
            made["operation_type"] = kind
        else:
            made.pop("operation_type", None)
    return Seen(made, found, texts, made)


class SafetyCheckResult:
    """What came of a check."""

    __slots__ = (
        "allowed",
        "approval_request",
        "boundary_violations",
        "notes",
        "policy_results",
        "refusal",
        "requires_approval",
        "seen",
    )

    def __init__(
        self,
        allowed: bool,
        policy_results: list[PolicyResult] | None = None,
        boundary_violations: list[BoundaryViolation] | None = None,
        requires_approval: bool = False,
        approval_request: ApprovalRequest | None = None,
        *,
        seen: Seen | None = None,
    ) -> None:
        self.allowed = allowed
        self.policy_results = policy_results if policy_results is not None else []
        self.boundary_violations = boundary_violations if boundary_violations is not None else []
        self.requires_approval = requires_approval
        self.approval_request = approval_request
        self.refusal: str | None = None
        self.notes: dict[str, Any] = {}
        self.seen = seen

    def __repr__(self) -> str:
        return f"SafetyCheckResult(allowed={self.allowed}, reason={self.blocked_reason!r})"

    def __bool__(self) -> bool:
        return self.allowed

    @classmethod
    def odd(cls, why: str, seen: Seen | None = None) -> SafetyCheckResult:
        """What is no operation, or more than is looked at, is refused."""
        result = cls(False, seen=seen)
        result.refusal = why
        return result

    @property
    def blocked_reason(self) -> str | None:
        """Why it is refused; nothing if it is allowed."""
        if self.allowed:
            return None
        for found in self.policy_results:
            if found.is_blocked:
                return found.reason
        for violation in self.boundary_violations:
            return violation.reason
        return self.refusal or "Operation blocked"

    def noted(self) -> dict[str, Any] | None:
        """What the trace keeps of it: every policy that spoke, and who was asked."""
        if not self.policy_results and not self.notes and not self.boundary_violations:
            return None
        said = [
            {"policy": it.policy_name, "action": it.action.value, "reason": it.reason} for it in self.policy_results
        ]
        noted: dict[str, Any] = {**self.notes, "policies": said}
        request = self.approval_request
        if request is not None:
            noted["approval"] = {"id": request.id, "status": request.status.value, "by": request.responder}
        if self.boundary_violations:
            noted["boundaries"] = [it.boundary_name for it in self.boundary_violations]
        return noted

    def violation(self) -> SafetyViolation:
        """The error for it."""
        reason = self.blocked_reason or "Operation blocked"
        blocked = next((it for it in self.policy_results if it.is_blocked), None)
        crossed = self.boundary_violations[0] if self.boundary_violations else None
        if blocked is not None or crossed is not None:
            return SafetyViolation(
                reason, policy_result=blocked, boundary_violation=None if blocked else crossed, decision=self
            )
        asked = next((it for it in self.policy_results if it.requires_approval), None)
        if asked is None:
            return SafetyViolation(reason, code="invalid_action", decision=self)
        request = self.approval_request
        if request is None:
            return ApprovalRequired(reason, policy_result=asked, code="approval_required", decision=self)
        code = "approval_denied" if request.is_denied else "approval_expired"
        return ApprovalDenied(reason, policy_result=asked, code=code, decision=self)


def digest_of(operation: str, seen: Seen) -> str:
    """Identifies an operation with its arguments: SHA-256 over their canonical JSON.

    What is no JSON takes part by its kind and identity: it is the same for as long as it is the same object.
    """
    try:
        text = _engine.canonical({"operation": operation, "context": dict(seen.context)})
    except ValueError:
        parts = [(place, role, _identity(value)) for place, role, value in seen.leaves]
        text = repr((operation, parts))
    return str(_later.hashlib().sha256(text.encode("utf-8", "replace")).hexdigest())


def _identity(value: Any) -> str:
    if isinstance(value, (str, int, float, bool, bytes, type(None))):
        return repr(value)
    return f"{type(value).__qualname__} at {id(value):x}"


def _asked(result: SafetyCheckResult) -> list[PolicyResult]:
    return [it for it in result.policy_results if it.requires_approval]


def _refuse(result: SafetyCheckResult, why: str) -> None:
    result.allowed = False
    result.refusal = why


_NO_GATE = "a person must agree ({reason}), and there is no approval gate to ask one; give `approval_gate=`"


def approve(gate: Approvals, result: SafetyCheckResult, operation: str, agent: str | None) -> None:
    """Asks for every policy that wants it, one after the other; all must agree. The result says what came of it."""
    for asked in _asked(result):
        if not isinstance(gate, ApprovalGate):
            why = _NO_GATE.format(reason=asked.reason)
            if gate is not None:
                why = (
                    f"a person must agree ({asked.reason}), and an AsyncApprovalGate can only be asked from async code"
                )
            return _refuse(result, why)
        request = gate.request_approval(**_question(gate, result, asked, operation, agent))
        if not _answered(result, request):
            return None
    return None


async def approve_async(gate: Approvals, result: SafetyCheckResult, operation: str, agent: str | None) -> None:
    """The same without blocking the loop."""
    for asked in _asked(result):
        if gate is None:
            return _refuse(result, _NO_GATE.format(reason=asked.reason))
        question = _question(gate, result, asked, operation, agent)
        if isinstance(gate, AsyncApprovalGate):
            request = await gate.request_approval(**question)
        else:
            request = await _asyncio().to_thread(lambda question=question: gate.request_approval(**question))
        if not _answered(result, request):
            return None
    return None


def _question(
    gate: ApprovalGate | AsyncApprovalGate,
    result: SafetyCheckResult,
    asked: PolicyResult,
    operation: str,
    agent: str | None,
) -> dict[str, Any]:
    seen = result.seen
    # The policy's own time if it was given one, else the gate's.
    timeout = asked.metadata.get("timeout")
    return {
        "operation": operation,
        "reason": asked.reason or "Approval required",
        "context": dict(seen.context) if seen is not None else {},
        "timeout": gate.default_timeout if timeout is None else timeout,
        "metadata": {"policy": asked.policy_name},
        "digest": digest_of(operation, seen) if seen is not None else None,
        "requester": agent,
    }


def _answered(result: SafetyCheckResult, request: ApprovalRequest) -> bool:
    result.approval_request = request
    if request.is_approved:
        return True
    said = f": {request.response_message}" if request.response_message else ""
    by = f" by {request.responder}" if request.responder else ""
    _refuse(result, f"Approval denied or timed out: {request.status.value}{by}{said}")
    return False
