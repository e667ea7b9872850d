"""Portcullis for Python: the gate that every action of an agent passes through.

- `Gate`: the policy file, decisions and records of the gate, inside this process.
- `Portcullis`, `AsyncPortcullis`: clients of a gate that runs elsewhere.
- `SafetyLayer` and its kin: the interface of `agent-safety-layer`, made safe.
- `portcullis.adapters`: LangChain, OpenAI, Anthropic, MCP and others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._engine import Decision
from .approval import (
    ApprovalGate,
    ApprovalQueue,
    ApprovalRequest,
    ApprovalResponse,
    ApprovalStatus,
    AsyncApprovalGate,
    InMemoryApprovalQueue,
)
from .boundaries import (
    Boundary,
    BoundaryViolation,
    NetworkBoundary,
    PathBoundary,
    ResourceBoundary,
    TimeBoundary,
)
from .errors import (
    ApprovalDenied,
    ApprovalRequired,
    BudgetExceeded,
    GateUnavailable,
    LimitExceeded,
    PolicyError,
    SafetyViolation,
)
from .gate import Gate, Session
from .layer import SafetyCheckResult, SafetyLayer, SafetySession, create_safety_layer
from .policies import (
    ApprovalPolicy,
    AuditPolicy,
    BlockPolicy,
    CustomPolicy,
    PatternPolicy,
    Policy,
    PolicyAction,
    PolicyResult,
    WarnPolicy,
)
from .replay import RecordedOperation, RecordedSession, ReplayResult, SessionRecorder, SessionReplayer
from .tracing import Trace, TraceEntry, TraceExporter, TraceLevel, Tracer, TraceStatus

if TYPE_CHECKING:
    from .client import ApiError, CheckResult, Portcullis
    from .client_async import AsyncPortcullis

__version__ = "0.1.0"

# The client brings an HTTP library: whoever only decides in process does not wait for it.
_LATER = {"ApiError": "client", "AsyncPortcullis": "client_async", "CheckResult": "client", "Portcullis": "client"}

__all__ = [
    "ApiError",
    "ApprovalDenied",
    "ApprovalGate",
    "ApprovalPolicy",
    "ApprovalQueue",
    "ApprovalRequest",
    "ApprovalRequired",
    "ApprovalResponse",
    "ApprovalStatus",
    "AsyncApprovalGate",
    "AsyncPortcullis",
    "AuditPolicy",
    "BlockPolicy",
    "Boundary",
    "BoundaryViolation",
    "BudgetExceeded",
    "CheckResult",
    "CustomPolicy",
    "Decision",
    "Gate",
    "GateUnavailable",
    "InMemoryApprovalQueue",
    "LimitExceeded",
    "NetworkBoundary",
    "PathBoundary",
    "PatternPolicy",
    "Policy",
    "PolicyAction",
    "PolicyError",
    "PolicyResult",
    "Portcullis",
    "RecordedOperation",
    "RecordedSession",
    "ReplayResult",
    "ResourceBoundary",
    "SafetyCheckResult",
    "SafetyLayer",
    "SafetySession",
    "SafetyViolation",
    "Session",
    "SessionRecorder",
    "SessionReplayer",
    "TimeBoundary",
    "Trace",
    "TraceEntry",
    "TraceExporter",
    "TraceLevel",
    "TraceStatus",
    "Tracer",
    "WarnPolicy",
    "create_safety_layer",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"portcullis.{_LATER[name]}"), name)
    raise AttributeError(f"module 'portcullis' has no attribute `{name}`")
