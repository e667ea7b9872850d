"""What can go wrong, in types that a program can branch on and words that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .boundaries import BoundaryViolation
    from .policies import PolicyResult

__all__ = [
    "ApprovalDenied",
    "ApprovalRequired",
    "BudgetExceeded",
    "GateUnavailable",
    "LimitExceeded",
    "PolicyError",
    "SafetyViolation",
    "stays",
    "violation_of",
]


class SafetyViolation(Exception):
    """An action was refused, and was not carried out.

    `code` is the kind of reason (the contract's words: `denied_by_rule`, `boundary`, `limit`, ...), `rule` the rule
    or policy that says so, `reason` a sentence to act on, `decision` what the gate answered.
    """

    def __init__(
        self,
        message: str,
        policy_result: PolicyResult | None = None,
        boundary_violation: BoundaryViolation | None = None,
        *,
        code: str | None = None,
        rule: str | None = None,
        decision: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = message
        self.policy_result = policy_result
        self.boundary_violation = boundary_violation
        self.decision = decision
        if rule is None and policy_result is not None:
            rule = policy_result.policy_name
        if rule is None and boundary_violation is not None:
            rule = boundary_violation.boundary_name
        self.rule = rule
        if code is None:
            code = "boundary" if boundary_violation is not None else "denied_by_rule"
        self.code = code

    @property
    def is_policy_violation(self) -> bool:
        """True if a policy said no (a person who was asked by one included)."""
        return self.policy_result is not None

    @property
    def is_boundary_violation(self) -> bool:
        """True if a boundary said no."""
        return self.boundary_violation is not None


class ApprovalRequired(SafetyViolation):
    """A person must agree first: `decision.approval_id` is the question."""


class ApprovalDenied(SafetyViolation):
    """A person was asked and said no, or nobody answered in time."""


class LimitExceeded(SafetyViolation):
    """A limit is reached; `retry_after_s` says when it will not be any more, where that is known."""

    @property
    def retry_after_s(self) -> int | None:
        """Seconds after which the same action could pass."""
        found = getattr(self.decision, "retry_after_s", None)
        return found if isinstance(found, int) else None


class BudgetExceeded(LimitExceeded):
    """The limit that is reached counts money."""


class GateUnavailable(SafetyViolation):
    """The gate cannot be reached, or cannot decide. Nothing was carried out."""

    def __init__(self, message: str, *, decision: Any = None) -> None:
        super().__init__(message, code="unavailable", decision=decision)


class PolicyError(ValueError):
    """A policy has mistakes; the text has all of them, each with its place and how to mend it."""


def violation_of(decision: Any) -> SafetyViolation:
    """The error for a decision that is no allow: of the server's or of an in-process gate's."""
    code = str(decision.code)
    kind: type[SafetyViolation] = SafetyViolation
    if decision.requires_approval:
        kind = ApprovalRequired
    elif code in ("approval_denied", "approval_expired"):
        kind = ApprovalDenied
    elif code == "budget":
        kind = BudgetExceeded
    elif code == "limit":
        kind = LimitExceeded
    elif code == "unavailable":
        return GateUnavailable(str(decision.reason), decision=decision)
    message = str(decision.reason)
    if decision.requires_approval:
        message = f"{message} (approval `{decision.approval_id}` is waiting for an answer)"
    return kind(message, code=code, rule=decision.rule, decision=decision)


def stays(what: str, why: str) -> TypeError:
    """The error for what cannot be pickled, and so cannot go to another process: with what to do instead."""
    return TypeError(f"{what} stays in its process: {why}")
