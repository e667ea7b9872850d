"""Policies: what may not be done, what is noted, and what a person must agree to."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ._engine import Patterns
from ._regex import engine_pattern
from ._roles import texts_of

__all__ = [
    "ApprovalPolicy",
    "AuditPolicy",
    "BlockPolicy",
    "CustomPolicy",
    "PatternPolicy",
    "Policy",
    "PolicyAction",
    "PolicyResult",
    "PolicySet",
    "WarnPolicy",
]

Context = dict[str, Any]
Check = Callable[[str, Context], "PolicyResult | None"]


class PolicyAction(Enum):
    """What is done when a policy matches."""

    ALLOW = "allow"
    BLOCK = "block"
    WARN = "warn"
    AUDIT = "audit"
    REQUIRE_APPROVAL = "require_approval"


@dataclass
class PolicyResult:
    """What a policy says of an operation."""

    action: PolicyAction
    policy_name: str
    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())

    @property
    def is_blocked(self) -> bool:
        """True if it says no."""
        return self.action is PolicyAction.BLOCK

    @property
    def requires_approval(self) -> bool:
        """True if a person must agree."""
        return self.action is PolicyAction.REQUIRE_APPROVAL


class Policy(ABC):
    """What all policies have in common, and how they are made."""

    def __init__(self, name: str, description: str | None = None) -> None:
        self.name = name
        self.description = description or name

    @abstractmethod
    def evaluate(self, operation: str, context: Context) -> PolicyResult | None:
        """What it says of an operation; nothing if it does not apply."""

    @staticmethod
    def block_pattern(pattern: str, reason: str, name: str | None = None, flags: int = re.IGNORECASE) -> PatternPolicy:
        """Refuses what matches: the operation, its arguments, and what a shell or database would make of them."""
        return PatternPolicy(name or f"block_{pattern}", pattern, PolicyAction.BLOCK, reason, flags)

    @staticmethod
    def warn_pattern(pattern: str, reason: str, name: str | None = None, flags: int = re.IGNORECASE) -> PatternPolicy:
        """Lets it pass and notes a warning in the trace."""
        return PatternPolicy(name or f"warn_{pattern}", pattern, PolicyAction.WARN, reason, flags)

    @staticmethod
    def audit_pattern(pattern: str, reason: str, name: str | None = None, flags: int = re.IGNORECASE) -> PatternPolicy:
        """Lets it pass and notes it in the trace."""
        return PatternPolicy(name or f"audit_{pattern}", pattern, PolicyAction.AUDIT, reason, flags)

    @staticmethod
    def require_approval(
        operation_type: str, reason: str | None = None, timeout: float | None = None, name: str | None = None
    ) -> ApprovalPolicy:
        """A person must agree first, within `timeout` seconds; without it, within those of the approval gate."""
        reason = reason or f"Operation '{operation_type}' requires approval"
        return ApprovalPolicy(name or f"approve_{operation_type}", operation_type, reason, timeout)

    @staticmethod
    def custom(name: str, check_fn: Check, description: str | None = None) -> CustomPolicy:
        """Your own function. If it raises, the operation is refused."""
        return CustomPolicy(name, check_fn, description)


class PatternPolicy(Policy):
    """Matches texts against a regular expression."""

    def __init__(
        self,
        name: str,
        pattern: str,
        action: PolicyAction,
        reason: str,
        flags: int = re.IGNORECASE,
        context_key: str | None = None,
    ) -> None:
        super().__init__(name, reason)
        self.pattern_str = pattern
        self.pattern = re.compile(pattern, flags)
        self.action = action
        self.reason = reason
        self.context_key = context_key
        self.engine_pattern = engine_pattern(pattern, flags)
        # Made now, so that what cannot be matched in bounded time is refused here and not at the first check.
        self._own = compiled([self])

    def __getstate__(self) -> dict[str, Any]:
        return {name: it for name, it in vars(self).items() if name != "_own"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._own = compiled([self])

    def evaluate(self, operation: str, context: Context) -> PolicyResult | None:
        """As the layer would, for this policy alone."""
        target = str(operation)
        if self.context_key and self.context_key in context:
            target = str(context[self.context_key])
        found = self._own.find(_sound(target), self.action is PolicyAction.BLOCK)
        return self.result(target) if found else None

    def result(self, target: str) -> PolicyResult:
        """What it says of a text that it matches."""
        return PolicyResult(
            self.action, self.name, self.reason, {"pattern": self.pattern_str, "matched": target[:1024]}
        )


class BlockPolicy(PatternPolicy):
    """A pattern that refuses."""

    def __init__(self, name: str, pattern: str, reason: str, flags: int = re.IGNORECASE) -> None:
        super().__init__(name, pattern, PolicyAction.BLOCK, reason, flags)


class WarnPolicy(PatternPolicy):
    """A pattern that warns."""

    def __init__(self, name: str, pattern: str, reason: str, flags: int = re.IGNORECASE) -> None:
        super().__init__(name, pattern, PolicyAction.WARN, reason, flags)


class AuditPolicy(PatternPolicy):
    """A pattern that notes."""

    def __init__(self, name: str, pattern: str, reason: str, flags: int = re.IGNORECASE) -> None:
        super().__init__(name, pattern, PolicyAction.AUDIT, reason, flags)


class ApprovalPolicy(Policy):
    """A person must agree to operations of a type."""

    def __init__(self, name: str, operation_type: str, reason: str, timeout: float | None = None) -> None:
        super().__init__(name, reason)
        self.operation_type = operation_type
        self.reason = reason
        self.timeout = 300 if timeout is None else timeout
        self._said = {} if timeout is None else {"timeout": timeout}

    def evaluate(self, operation: str, context: Context) -> PolicyResult | None:
        """Asks if the operation, or its type, is the one."""
        if self.operation_type not in (operation, context.get("operation_type")):
            return None
        return PolicyResult(
            PolicyAction.REQUIRE_APPROVAL,
            self.name,
            self.reason,
            {**self._said, "operation_type": self.operation_type},
        )


class CustomPolicy(Policy):
    """A function of yours."""

    def __init__(self, name: str, check_fn: Check, description: str | None = None) -> None:
        super().__init__(name, description)
        self.check_fn = check_fn

    def evaluate(self, operation: str, context: Context) -> PolicyResult | None:
        """What the function says."""
        return self.check_fn(operation, context)


def compiled(policies: list[PatternPolicy]) -> Patterns:
    """The patterns of these policies as one search. Raises `re.error` for what cannot be searched in bounded time."""
    try:
        return Patterns([it.engine_pattern for it in policies])
    except ValueError as odd:
        index, why = odd.args if len(odd.args) == 2 else (0, str(odd))
        policy = policies[index]
        raise re.error(f"policy `{policy.name}`: the pattern cannot be matched in bounded time: {why}") from None


def _sound(text: str) -> str:
    """A text without halves of characters, which no file, host or program takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class PolicySet:
    """Policies, evaluated together: all patterns in one pass. What it hands out are copies."""

    def __init__(self, policies: list[Policy] | None = None) -> None:
        self._policies: tuple[Policy, ...] = tuple(policies or ())
        self._lock = threading.Lock()
        self._ready = False
        self.ready()

    def __reduce__(self) -> tuple[Any, ...]:
        return PolicySet, (self.policies,)

    def ready(self) -> None:
        """Puts the patterns together, if they have changed: at the first use after that."""
        with self._lock:
            if not self._ready:
                self._compile()
                self._ready = True

    def _compile(self) -> None:
        patterns = [it for it in self._policies if type(it).evaluate is PatternPolicy.evaluate]
        shared = [it for it in patterns if isinstance(it, PatternPolicy) and it.context_key is None]
        self._shared: tuple[PatternPolicy, ...] = tuple(shared)
        self._patterns = compiled(shared) if shared else None
        known = {id(it) for it in shared}
        self._others = tuple(it for it in self._policies if id(it) not in known)
        self._blocks = any(it.action is PolicyAction.BLOCK for it in shared)

    @property
    def policies(self) -> list[Policy]:
        """The policies, in order: a copy. Whoever empties it changes nothing."""
        return list(self._policies)

    def add(self, policy: Policy) -> None:
        """Adds one."""
        with self._lock:
            self._policies = (*self._policies, policy)
            self._ready = False

    def remove(self, policy_name: str) -> bool:
        """Removes the one of this name. Raises `ValueError` if several have it."""
        found = [it for it in self._policies if it.name == policy_name]
        if len(found) > 1:
            raise ValueError(f"{len(found)} policies are called `{policy_name}`; give them names of their own")
        if not found:
            return False
        with self._lock:
            self._policies = tuple(it for it in self._policies if it is not found[0])
            self._ready = False
        return True

    def evaluate_all(self, operation: str, context: Context) -> list[PolicyResult]:
        """What all of them say, in order."""
        texts = [operation]
        if context:
            texts += texts_of(context)
        return self.evaluate_texts(operation, context, texts)

    def evaluate_texts(self, operation: str, context: Context, texts: list[str]) -> list[PolicyResult]:
        """The same with the texts that patterns look at."""
        if not self._ready:
            self.ready()
        results: list[PolicyResult] = []
        patterns = self._patterns
        if patterns is not None:
            spoken: set[int] = set()
            meaning = self._blocks
            for text in texts:
                found = patterns.find(text if text.isascii() else _sound(text), meaning)
                if found:
                    for n in found:
                        # Told apart by place: names are not unique, and a warning must not hide a refusal.
                        if n not in spoken:
                            spoken.add(n)
                            results.append(self._shared[n].result(text))
        for policy in self._others:
            result = self._said(policy, operation, context)
            if result is not None:
                results.append(result)
        if len(results) > 1:
            order = {each.name: n for n, each in enumerate(self._policies)}
            results.sort(key=lambda it: order.get(it.policy_name, len(order)))
        return results

    def silent(self, operations: Sequence[Any]) -> list[int] | None:
        """Which of many recorded operations any policy may have something to say of; the others concern none.

        Nothing if that cannot be told without asking: policies that are functions.
        """
        self.ready()
        types = {it.operation_type for it in self._others if type(it) is ApprovalPolicy}
        if any(type(it) is not ApprovalPolicy for it in self._others):
            return None
        found: set[int] = set()
        if self._patterns is not None:
            try:
                found.update(self._patterns.find_many([it.operation for it in operations], self._blocks))
            except UnicodeError:
                return None
        found.update(
            n
            for n, it in enumerate(operations)
            if len(it.input_data) > 1 or it.context or it.operation in types or it.operation_type in types
        )
        return sorted(found)

    def _said(self, policy: Policy, operation: str, context: Context) -> PolicyResult | None:
        try:
            result: Any = policy.evaluate(operation, context)
        except Exception as error:
            why = f"policy `{policy.name}` failed, so nothing is allowed: {type(error).__name__}: {error}"
            return PolicyResult(PolicyAction.BLOCK, policy.name, why, {"error": type(error).__name__})
        if result is None or isinstance(result, PolicyResult):
            return result
        why = f"policy `{policy.name}` answered with a `{type(result).__name__}` and not with a PolicyResult"
        return PolicyResult(PolicyAction.BLOCK, policy.name, why)

    def has_nothing_to_say(self, operation: str) -> bool:
        """True if no policy concerns an operation without a context: what most checks come down to."""
        if not self._ready:
            self.ready()
        if self._others or not operation.isascii():
            return False
        return self._patterns is None or not self._patterns.find(operation, self._blocks)

    def evaluate_first_block(self, operation: str, context: Context) -> PolicyResult | None:
        """The first that refuses."""
        return next((it for it in self.evaluate_all(operation, context) if it.is_blocked), None)

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)
