"""Sessions, recorded and decided again under other policies."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import _later
from ._later import new_id
from ._redact import redacted
from .boundaries import Boundary, BoundarySet, BoundaryViolation
from .policies import Policy, PolicyAction, PolicyResult, PolicySet
from .tracing import Trace, TraceEntry, TraceStatus

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RecordedOperation", "RecordedSession", "ReplayResult", "SessionRecorder", "SessionReplayer"]


class RecordedOperation:
    """One operation with what went in and came out. `approval`: what people said of it, if they were asked."""

    __slots__ = (
        "approval",
        "context",
        "duration_ms",
        "error",
        "id",
        "input_data",
        "operation",
        "operation_type",
        "output_data",
        "timestamp",
    )

    def __init__(
        self,
        id: str,
        timestamp: float,
        operation: str,
        operation_type: str,
        input_data: dict[str, Any],
        output_data: Any,
        error: str | None,
        duration_ms: float,
        context: dict[str, Any] | None = None,
        approval: str | None = None,
    ) -> None:
        self.id = id
        self.timestamp = timestamp
        self.operation = operation
        self.operation_type = operation_type
        self.input_data = input_data
        self.output_data = output_data
        self.error = error
        self.duration_ms = duration_ms
        self.context: dict[str, Any] = context if context is not None else {}
        self.approval = approval

    def seen(self) -> dict[str, Any]:
        """What policies and boundaries saw."""
        return {"operation_type": self.operation_type, **self.context, **self.input_data}

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without secrets; what is no data is named as `{"$type": ...}`."""
        return {
            "id": self.id,
            "timestamp": self.timestamp,
            "timestamp_iso": datetime.fromtimestamp(self.timestamp).isoformat(),
            "operation": self.operation,
            "operation_type": self.operation_type,
            "input_data": redacted(self.input_data),
            "output_data": redacted(self.output_data),
            "error": redacted(self.error),
            "duration_ms": self.duration_ms,
            "context": redacted(self.context),
            "approval": self.approval,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RecordedOperation:
        """From what `to_dict` gave."""
        return cls(
            data["id"],
            data["timestamp"],
            data["operation"],
            data["operation_type"],
            data["input_data"],
            data["output_data"],
            data.get("error"),
            data["duration_ms"],
            data.get("context"),
            data.get("approval"),
        )


class RecordedSession:
    """A recording."""

    def __init__(
        self,
        id: str,
        name: str,
        started_at: float,
        ended_at: float | None,
        operations: list[RecordedOperation],
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.name = name
        self.started_at = started_at
        self.ended_at = ended_at
        self.operations = operations
        self.metadata: dict[str, Any] = metadata if metadata is not None else {}

    @property
    def duration_ms(self) -> float | None:
        """From its start to its end."""
        return (self.ended_at - self.started_at) * 1000 if self.ended_at else None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without secrets."""
        stamp = datetime.fromtimestamp
        return {
            "id": self.id,
            "name": self.name,
            "started_at": self.started_at,
            "started_at_iso": stamp(self.started_at).isoformat(),
            "ended_at": self.ended_at,
            "ended_at_iso": stamp(self.ended_at).isoformat() if self.ended_at else None,
            "duration_ms": self.duration_ms,
            "operations": [it.to_dict() for it in self.operations],
            "metadata": redacted(self.metadata),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RecordedSession:
        """From what `to_dict` gave."""
        operations = [RecordedOperation.from_dict(it) for it in data.get("operations", [])]
        return cls(data["id"], data["name"], data["started_at"], data.get("ended_at"), operations, data.get("metadata"))

    def save(self, path: str | Path) -> None:
        """To a JSON file that only its owner can read."""
        path = _later.path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(self.to_dict(), file, indent=2)

    @classmethod
    def load(cls, path: str | Path) -> RecordedSession:
        """From a JSON file."""
        return cls.from_dict(json.loads(_later.path(path).read_text(encoding="utf-8")))


class SessionRecorder:
    """Records the operations of a session."""

    def __init__(self, name: str = "recorded_session", metadata: dict[str, Any] | None = None) -> None:
        self.session = RecordedSession(new_id(), name, time.time(), None, [], metadata)
        self._open: dict[str, tuple[RecordedOperation, float]] = {}

    @property
    def session_id(self) -> str:
        """The recording's id."""
        return self.session.id

    def start_operation(
        self,
        operation: str,
        operation_type: str,
        input_data: dict[str, Any],
        context: dict[str, Any] | None = None,
    ) -> str:
        """Starts an operation; the answer is what `end_operation` wants."""
        op_id = f"{self.session.id[:8]}-{len(self.session.operations) + 1}"
        recorded = RecordedOperation(op_id, time.time(), operation, operation_type, input_data, None, None, 0, context)
        self.session.operations.append(recorded)
        self._open[op_id] = (recorded, time.perf_counter())
        return op_id

    def end_operation(
        self, operation_id: str, output_data: Any = None, error: str | None = None, *, approval: str | None = None
    ) -> None:
        """Ends it."""
        found = self._open.pop(operation_id, None)
        if found is None:
            return
        recorded, start = found
        recorded.output_data = output_data
        recorded.error = error
        recorded.approval = approval
        recorded.duration_ms = (time.perf_counter() - start) * 1000

    def record_operation(
        self,
        operation: str,
        operation_type: str,
        input_data: dict[str, Any],
        output_data: Any,
        error: str | None = None,
        duration_ms: float = 0,
        context: dict[str, Any] | None = None,
    ) -> str:
        """Records an operation that is over already."""
        op_id = f"{self.session.id[:8]}-{len(self.session.operations) + 1}"
        self.session.operations.append(
            RecordedOperation(
                op_id, time.time(), operation, operation_type, input_data, output_data, error, duration_ms, context
            )
        )
        return op_id

    def finish(self) -> RecordedSession:
        """Ends the recording and gives it."""
        self.session.ended_at = time.time()
        return self.session


@dataclass
class ReplayResult:
    """What would have been. An operation that a person would have to agree to is neither allowed nor blocked."""

    session_id: str
    original_session_id: str
    policies_applied: list[str]
    total_operations: int
    blocked_operations: int
    allowed_operations: int
    warnings: int
    blocked_details: list[dict[str, Any]]
    trace: Trace | None = None
    approvals_required: int = 0
    approval_details: list[dict[str, Any]] = field(default_factory=lambda: list[dict[str, Any]]())
    boundaries_applied: list[str] = field(default_factory=lambda: list[str]())

    @property
    def block_rate(self) -> float:
        """How many of a hundred operations were blocked."""
        return self.blocked_operations / self.total_operations * 100 if self.total_operations else 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "session_id": self.session_id,
            "original_session_id": self.original_session_id,
            "policies_applied": self.policies_applied,
            "boundaries_applied": self.boundaries_applied,
            "total_operations": self.total_operations,
            "blocked_operations": self.blocked_operations,
            "allowed_operations": self.allowed_operations,
            "approvals_required": self.approvals_required,
            "warnings": self.warnings,
            "block_rate": self.block_rate,
            "blocked_details": redacted(self.blocked_details),
            "approval_details": redacted(self.approval_details),
            "trace": self.trace.to_dict() if self.trace is not None else None,
        }


class _Context(dict[str, Any]):
    """A recorded context: looking at it again uses nothing up."""

    leaves = None


class _Run:
    """A replay under way: its result so far, and the trace that is made of it when somebody asks."""

    def __init__(self, session: RecordedSession, policies: Iterable[Policy], boundaries: Iterable[Boundary]) -> None:
        self.operations = session.operations
        self.refused: dict[int, str] = {}
        self.redone: dict[int, tuple[Any, str | None]] = {}
        total = len(session.operations)
        names, bounds = [it.name for it in policies], [it.name for it in boundaries]
        trace = _ReplayTrace(new_id(), f"replay_{session.name}", self)
        self.result = ReplayResult(trace.id, session.id, names, total, 0, 0, 0, [], trace, boundaries_applied=bounds)

    def refuse(self, n: int, results: list[PolicyResult], crossed: list[BoundaryViolation]) -> None:
        """Notes an operation that is blocked."""
        op = self.operations[n]
        by = [{"policy": it.policy_name, "reason": it.reason} for it in results if it.is_blocked]
        by += [{"policy": it.boundary_name, "reason": it.reason} for it in crossed]
        self.result.blocked_operations += 1
        self.refused[n] = str(by[0]["reason"]) if by else "Blocked by policy"
        self.result.blocked_details.append(
            {
                "operation": op.operation,
                "operation_type": op.operation_type,
                "input": op.input_data,
                "blocked_by": by,
            }
        )

    def ask(self, n: int, results: list[PolicyResult]) -> None:
        """Notes an operation that a person would have to agree to."""
        op = self.operations[n]
        asked = next(it for it in results if it.requires_approval)
        self.result.approvals_required += 1
        self.refused[n] = asked.reason or "Approval required"
        self.result.approval_details.append(
            {"operation": op.operation, "policy": asked.policy_name, "recorded": op.approval}
        )

    def entry(self, n: int) -> TraceEntry:
        """The trace's entry of an operation."""
        op = self.operations[n]
        output, error = self.redone.get(n, (op.output_data, op.error))
        status = TraceStatus.FAILED if error else TraceStatus.COMPLETED
        if n in self.refused:
            output, error, status = None, self.refused[n], TraceStatus.BLOCKED
        return TraceEntry(
            f"{self.result.session_id[:8]}-{n + 1}", op.timestamp, op.operation, status,
            input_data=op.input_data, output_data=output, error=error, duration_ms=0,
        )  # fmt: skip


class _ReplayTrace(Trace):
    """The trace of a replay. Its entries are made when they are asked for: most replays are only counted."""

    def __init__(self, id: str, name: str, run: _Run) -> None:
        now = time.time()
        super().__init__(id, name, now, now)
        self._run = run
        self._made = False

    def _make(self) -> None:
        if not self._made:
            self._made = True
            entries = [self._run.entry(n) for n in range(len(self._run.operations))]
            self._entries = deque(entries)
            self._added = len(entries)

    @property
    def entries(self) -> list[TraceEntry]:
        """The entries: a copy."""
        self._make()
        return super().entries

    @property
    def entry_count(self) -> int:
        """How many there are."""
        return len(self._run.operations)

    def _count(self, status: TraceStatus) -> int:
        self._make()
        return super()._count(status)


class SessionReplayer:
    """Decides recorded sessions again. Limits of time and resources are not replayed: they are of the moment."""

    def __init__(
        self,
        policies: list[Policy] | None = None,
        executor: Callable[[RecordedOperation], Any] | None = None,
        boundaries: list[Boundary] | None = None,
    ) -> None:
        self.policy_set = PolicySet(policies)
        self.boundary_set = BoundarySet(boundaries)
        self.executor = executor

    def add_policy(self, policy: Policy) -> None:
        """Adds a policy."""
        self.policy_set.add(policy)

    def add_boundary(self, boundary: Boundary) -> None:
        """Adds a boundary."""
        self.boundary_set.add(boundary)

    def replay(self, session: RecordedSession, dry_run: bool = True) -> ReplayResult:
        """Decides every operation anew. Unless `dry_run`, the executor carries out what is allowed."""
        run = _Run(session, self.policy_set, self.boundary_set)
        execute = None if dry_run else self.executor
        spoken = self.policy_set.silent(session.operations) if not len(self.boundary_set) else None
        if spoken is not None and execute is None:
            # Most operations concern no policy: they are told apart in one go.
            run.result.allowed_operations = len(session.operations) - len(spoken)
            for n in spoken:
                self._one(run, n, None)
            return run.result
        for n in range(len(session.operations)):
            self._one(run, n, execute)
        return run.result

    def _one(self, run: _Run, n: int, execute: Callable[[RecordedOperation], Any] | None) -> None:
        op = run.operations[n]
        context = op.seen()
        results = self.policy_set.evaluate_all(op.operation, context)
        crossed = self.boundary_set.check_all(_Context(context))
        if any(it.action is PolicyAction.WARN for it in results):
            run.result.warnings += 1
        if crossed or any(it.is_blocked for it in results):
            return run.refuse(n, results, crossed)
        if op.approval != "approved" and any(it.requires_approval for it in results):
            return run.ask(n, results)
        run.result.allowed_operations += 1
        if execute is not None:
            try:
                run.redone[n] = (execute(op), None)
            except Exception as error:
                run.redone[n] = (None, str(error))
        return None

    def compare_policies(
        self, session: RecordedSession, policy_sets: dict[str, list[Policy]]
    ) -> dict[str, ReplayResult]:
        """Several sets of policies over one session, with this replayer's boundaries."""
        boundaries = self.boundary_set.boundaries
        return {
            name: SessionReplayer(policies, boundaries=boundaries).replay(session)
            for name, policies in policy_sets.items()
        }

    @staticmethod
    def diff_results(result_a: ReplayResult, result_b: ReplayResult) -> dict[str, Any]:
        """Where two replays differ."""
        blocked_a = {it["operation"] for it in result_a.blocked_details}
        blocked_b = {it["operation"] for it in result_b.blocked_details}
        return {
            "only_blocked_in_a": list(blocked_a - blocked_b),
            "only_blocked_in_b": list(blocked_b - blocked_a),
            "blocked_in_both": list(blocked_a & blocked_b),
            "block_rate_diff": result_b.block_rate - result_a.block_rate,
            "a": _figures(result_a),
            "b": _figures(result_b),
        }


def _figures(result: ReplayResult) -> dict[str, Any]:
    return {
        "blocked": result.blocked_operations,
        "allowed": result.allowed_operations,
        "approvals_required": result.approvals_required,
        "block_rate": result.block_rate,
    }
