"""What was done: bounded in memory, without secrets when written down, and evident when tampered with."""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections import deque
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from . import _later
from ._later import new_id
from ._redact import redacted

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Trace", "TraceEntry", "TraceExporter", "TraceLevel", "TraceStatus", "Tracer"]

# How many entries a trace keeps. The oldest go first; `Trace.dropped` says how many went.
MAX_ENTRIES = 10_000


class TraceLevel(Enum):
    """How much an entry matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class TraceStatus(Enum):
    """How an operation stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"
    SKIPPED = "skipped"


class TraceEntry:
    """One operation."""

    __slots__ = (
        "duration_ms",
        "error",
        "id",
        "input_data",
        "level",
        "metadata",
        "operation",
        "output_data",
        "parent_id",
        "status",
        "timestamp",
    )

    def __init__(
        self,
        id: str,
        timestamp: float,
        operation: str,
        status: TraceStatus,
        level: TraceLevel = TraceLevel.INFO,
        input_data: dict[str, Any] | None = None,
        output_data: Any = None,
        error: str | None = None,
        duration_ms: float | None = None,
        parent_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.timestamp = timestamp
        self.operation = operation
        self.status = status
        self.level = level
        self.input_data = input_data
        self.output_data = output_data
        self.error = error
        self.duration_ms = duration_ms
        self.parent_id = parent_id
        self.metadata = metadata if metadata is not None else {}

    def __repr__(self) -> str:
        return f"TraceEntry({self.operation!r}, {self.status.value})"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without secrets."""
        return {
            "id": self.id,
            "timestamp": self.timestamp,
            "timestamp_iso": datetime.fromtimestamp(self.timestamp).isoformat(),
            "operation": redacted(self.operation),
            "status": self.status.value,
            "level": self.level.value,
            "input_data": redacted(self.input_data),
            "output_data": redacted(self.output_data),
            "error": redacted(self.error),
            "duration_ms": self.duration_ms,
            "parent_id": self.parent_id,
            "metadata": redacted(self.metadata),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TraceEntry:
        """From what `to_dict` gave."""
        return cls(
            data["id"],
            data["timestamp"],
            data["operation"],
            TraceStatus(data["status"]),
            TraceLevel(data.get("level", "info")),
            data.get("input_data"),
            data.get("output_data"),
            data.get("error"),
            data.get("duration_ms"),
            data.get("parent_id"),
            data.get("metadata"),
        )


class Trace:
    """The operations of a session or a layer."""

    def __init__(
        self,
        id: str,
        name: str,
        started_at: float,
        ended_at: float | None = None,
        entries: Iterable[TraceEntry] = (),
        metadata: dict[str, Any] | None = None,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self.id = id
        self.name = name
        self.started_at = started_at
        self.ended_at = ended_at
        self.metadata: dict[str, Any] = metadata if metadata is not None else {}
        self._entries: deque[TraceEntry] = deque(entries, max_entries)
        self._added = len(self._entries)

    @property
    def entries(self) -> list[TraceEntry]:
        """The entries that are kept, the oldest first: a copy."""
        return list(self._entries)

    @property
    def dropped(self) -> int:
        """How many entries had to go."""
        return max(0, self._added - len(self._entries))

    def append(self, entry: TraceEntry) -> None:
        """Adds an entry, and lets the oldest go if there are too many."""
        self._entries.append(entry)
        self._added += 1

    @property
    def duration_ms(self) -> float | None:
        """From its start to its end."""
        return (self.ended_at - self.started_at) * 1000 if self.ended_at else None

    @property
    def entry_count(self) -> int:
        """How many entries are kept."""
        return len(self._entries)

    def _count(self, status: TraceStatus) -> int:
        return sum(it.status is status for it in list(self._entries))

    @property
    def error_count(self) -> int:
        """How many operations failed."""
        return self._count(TraceStatus.FAILED)

    @property
    def blocked_count(self) -> int:
        """How many were refused."""
        return self._count(TraceStatus.BLOCKED)

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
            "entry_count": self.entry_count,
            "error_count": self.error_count,
            "blocked_count": self.blocked_count,
            "dropped": self.dropped,
            "entries": [it.to_dict() for it in self.entries],
            "metadata": redacted(self.metadata),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Trace:
        """From what `to_dict` gave."""
        entries = [TraceEntry.from_dict(it) for it in data.get("entries", [])]
        return cls(
            data["id"],
            data["name"],
            data["started_at"],
            data.get("ended_at"),
            entries,
            data.get("metadata"),
            max(MAX_ENTRIES, len(entries)),
        )


class Tracer:
    """Records operations. What runs inside of what is known per thread and per task."""

    def __init__(
        self, name: str = "default", metadata: dict[str, Any] | None = None, max_entries: int = MAX_ENTRIES
    ) -> None:
        self.trace = Trace(new_id(), name, time.time(), metadata=metadata, max_entries=max_entries)
        self._prefix = self.trace.id[:8]
        self._numbers = itertools.count(1)
        self._open: dict[str, tuple[TraceEntry, float, Any]] = {}
        self._around: ContextVar[str | None] = ContextVar("portcullis_span", default=None)

    @property
    def trace_id(self) -> str:
        """The trace's id."""
        return self.trace.id

    def start_operation(
        self,
        operation: str,
        input_data: dict[str, Any] | None = None,
        level: TraceLevel = TraceLevel.INFO,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Starts an operation; the answer is what `end_operation` wants."""
        entry_id = f"{self._prefix}-{next(self._numbers)}"
        entry = TraceEntry(
            entry_id,
            time.time(),
            operation,
            TraceStatus.RUNNING,
            level,
            input_data,
            None,
            None,
            None,
            self._around.get(),
            metadata,
        )
        self.trace.append(entry)
        self._open[entry_id] = (entry, time.perf_counter(), self._around.set(entry_id))
        return entry_id

    def end_operation(
        self,
        entry_id: str,
        status: TraceStatus = TraceStatus.COMPLETED,
        output_data: Any = None,
        error: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Ends it."""
        found = self._open.pop(entry_id, None)
        if found is None:
            return
        entry, start, token = found
        entry.status = status
        entry.output_data = output_data
        entry.error = error
        entry.duration_ms = (time.perf_counter() - start) * 1000
        if metadata:
            entry.metadata = {**entry.metadata, **metadata}
        try:
            self._around.reset(token)
        except ValueError:
            # Ended in another thread or task than it was started in: that one has a stack of its own.
            pass

    def add_entry(
        self,
        operation: str,
        status: TraceStatus,
        level: TraceLevel = TraceLevel.INFO,
        input_data: dict[str, Any] | None = None,
        output_data: Any = None,
        error: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Adds an operation that is over already."""
        entry_id = f"{self._prefix}-{next(self._numbers)}"
        self.trace.append(
            TraceEntry(
                entry_id,
                time.time(),
                operation,
                status,
                level,
                input_data,
                output_data,
                error,
                0,
                self._around.get(),
                metadata,
            )
        )
        return entry_id

    def log(self, message: str, level: TraceLevel = TraceLevel.INFO, metadata: dict[str, Any] | None = None) -> None:
        """Adds a note."""
        self.add_entry(message, TraceStatus.COMPLETED, level, metadata=metadata)

    def log_blocked(
        self,
        operation: str,
        reason: str,
        input_data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Adds a refusal."""
        return self.add_entry(
            operation, TraceStatus.BLOCKED, TraceLevel.WARNING, input_data, error=reason, metadata=metadata
        )

    def log_error(
        self,
        operation: str,
        error: str,
        input_data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Adds a failure."""
        return self.add_entry(
            operation, TraceStatus.FAILED, TraceLevel.ERROR, input_data, error=error, metadata=metadata
        )

    def finish(self) -> Trace:
        """Ends the trace and gives it."""
        self.trace.ended_at = time.time()
        return self.trace

    def get_entries(
        self,
        status: TraceStatus | None = None,
        level: TraceLevel | None = None,
        operation_pattern: str | None = None,
    ) -> list[TraceEntry]:
        """The entries that fit."""
        pattern = re.compile(operation_pattern) if operation_pattern else None
        return [
            it
            for it in self.trace.entries
            if (status is None or it.status is status)
            and (level is None or it.level is level)
            and (pattern is None or pattern.search(it.operation))
        ]


_ICONS = {"completed": "✓", "failed": "✗", "blocked": "⊘", "running": "→", "pending": "○", "skipped": "⊖"}


class TraceExporter:
    """Traces as text and files.

    What is written has a chain of digests over its entries, and is refused when it is read with any of them changed.
    Who can write the file can make a new chain, unless there is a key: `key=`, or `PORTCULLIS_TRACE_KEY`.
    """

    @staticmethod
    def to_json(trace: Trace, pretty: bool = True, *, key: str | None = None) -> str:
        """The trace as JSON."""
        data: dict[str, Any] = json.loads(json.dumps(trace.to_dict(), default=repr))
        data["seal"] = _seal(data, key)
        return json.dumps(data, indent=2 if pretty else None)

    @staticmethod
    def to_file(trace: Trace, path: str | Path, pretty: bool = True, *, key: str | None = None) -> None:
        """The trace as a JSON file that only its owner can read."""
        path = _later.path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(TraceExporter.to_json(trace, pretty, key=key))

    @staticmethod
    def from_json(json_str: str, *, key: str | None = None) -> Trace:
        """A trace from JSON. Raises `ValueError` if it was changed since it was written."""
        data: dict[str, Any] = json.loads(json_str)
        seal = str(data.pop("seal", ""))
        if not _later.hmac().compare_digest(seal.encode(), _seal(data, key).encode()):
            raise ValueError(
                "the trace is not as it was written: its seal does not fit "
                "(changed, without a seal, or sealed with another key)"
            )
        return Trace.from_dict(data)

    @staticmethod
    def from_file(path: str | Path, *, key: str | None = None) -> Trace:
        """A trace from a file. Raises `ValueError` if it was changed since it was written."""
        return TraceExporter.from_json(_later.path(path).read_text(encoding="utf-8"), key=key)

    @staticmethod
    def to_summary(trace: Trace) -> str:
        """A few lines for people."""
        stamp = datetime.fromtimestamp
        lines = [f"Trace: {trace.name} ({trace.id})", f"Started: {stamp(trace.started_at).isoformat()}"]
        if trace.ended_at:
            lines.append(f"Ended: {stamp(trace.ended_at).isoformat()}")
            lines.append(f"Duration: {trace.duration_ms:.2f}ms")
        lines += [f"Entries: {trace.entry_count}", f"Errors: {trace.error_count}", f"Blocked: {trace.blocked_count}"]
        if trace.dropped:
            lines.append(f"Dropped: {trace.dropped} older entries")
        lines += ["", "Operations:"]
        for entry in trace.entries:
            duration = f" ({entry.duration_ms:.1f}ms)" if entry.duration_ms else ""
            lines.append(f"  {_ICONS.get(entry.status.value, '?')} {redacted(entry.operation)}{duration}")
            if entry.error:
                lines.append(f"    Error: {redacted(entry.error)}")
        return "\n".join(lines)


def _seal(data: dict[str, Any], key: str | None) -> str:
    secret = key or os.environ.get("PORTCULLIS_TRACE_KEY") or ""
    head = {name: value for name, value in data.items() if name != "entries"}
    chain = b"portcullis trace 1"
    for part in (head, *data.get("entries", [])):
        text = json.dumps(part, sort_keys=True, separators=(",", ":")).encode()
        chain = _later.hmac().digest(secret.encode(), chain + b"\n" + text, "sha256")
    return f"{'hmac' if secret else 'sha256'}:{chain.hex()}"
