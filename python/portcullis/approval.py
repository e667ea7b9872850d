"""People who must agree: questions, answers, and who may give them.

A question shows the exact arguments and is bound to them; it ends at its time, whoever answers later. Nobody answers
what they asked themselves: not under the asker's name, and not from inside the call that waits.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NoReturn

from ._later import asyncio as _asyncio
from ._later import new_id
from ._redact import redacted
from .errors import stays

__all__ = [
    "ApprovalGate",
    "ApprovalQueue",
    "ApprovalRequest",
    "ApprovalResponse",
    "ApprovalStatus",
    "AsyncApprovalGate",
    "InMemoryApprovalQueue",
]

# The questions that the code now running waits for: it may not answer them.
_asking: ContextVar[tuple[str, ...]] = ContextVar("portcullis_asking", default=())
_ENDED_KEPT = 256
_MOST_PENDING = 10_000


class ApprovalStatus(Enum):
    """How a question stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


@dataclass
class ApprovalRequest:
    """A question to people. `digest` identifies operation and arguments; the answer holds for them alone."""

    id: str
    operation: str
    reason: str
    context: dict[str, Any]
    requested_at: float
    timeout: float
    status: ApprovalStatus = ApprovalStatus.PENDING
    responded_at: float | None = None
    responder: str | None = None
    response_message: str | None = None
    metadata: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())
    digest: str | None = None
    requester: str | None = None

    @property
    def is_pending(self) -> bool:
        """True while nobody has answered."""
        return self.status is ApprovalStatus.PENDING

    @property
    def is_approved(self) -> bool:
        """True if the answer was yes."""
        return self.status is ApprovalStatus.APPROVED

    @property
    def is_denied(self) -> bool:
        """True if the answer was no."""
        return self.status is ApprovalStatus.DENIED

    @property
    def is_expired(self) -> bool:
        """True if its time is over without an answer."""
        return self.is_pending and time.time() >= self.requested_at + self.timeout

    @property
    def time_remaining(self) -> float:
        """Seconds until silence becomes no."""
        return max(0.0, self.requested_at + self.timeout - time.time()) if self.is_pending else 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without secrets."""
        stamp = datetime.fromtimestamp
        return {
            "id": self.id,
            "operation": self.operation,
            "reason": self.reason,
            "context": redacted(self.context),
            "requested_at": self.requested_at,
            "requested_at_iso": stamp(self.requested_at).isoformat(),
            "timeout": self.timeout,
            "status": self.status.value,
            "responded_at": self.responded_at,
            "responded_at_iso": stamp(self.responded_at).isoformat() if self.responded_at else None,
            "responder": self.responder,
            "response_message": self.response_message,
            "metadata": self.metadata,
            "digest": self.digest,
        }


@dataclass
class ApprovalResponse:
    """An answer."""

    request_id: str
    approved: bool
    responder: str | None = None
    message: str | None = None
    timestamp: float = field(default_factory=time.time)


class ApprovalQueue(ABC):
    """Where questions wait."""

    @abstractmethod
    def submit(self, request: ApprovalRequest) -> None:
        """Takes a question."""

    @abstractmethod
    def respond(self, response: ApprovalResponse) -> bool:
        """Takes an answer; false if it does not count."""

    @abstractmethod
    def get_pending(self) -> list[ApprovalRequest]:
        """The questions that wait."""

    @abstractmethod
    def get_request(self, request_id: str) -> ApprovalRequest | None:
        """One of them."""

    @abstractmethod
    def wait_for_response(self, request_id: str, poll_interval: float = 0.5) -> ApprovalRequest:
        """Waits until it is answered or its time is over."""


class InMemoryApprovalQueue(ApprovalQueue):
    """A queue for one process. Forgets what ended long ago."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, ApprovalRequest] = OrderedDict()
        self._changed = threading.Condition()
        # Answers that nobody has waited for yet must not be forgotten.
        self._awaited: dict[str, int] = {}

    def __reduce__(self) -> NoReturn:
        raise stays("an approval queue", "no answer would reach its questions elsewhere; make one there")

    def submit(self, request: ApprovalRequest) -> None:
        """Takes a question. Raises `RuntimeError` if too many wait already."""
        with self._changed:
            self._expire()
            if sum(it.is_pending for it in self._requests.values()) >= _MOST_PENDING:
                raise RuntimeError(f"{_MOST_PENDING} approvals are waiting already; answer some of them")
            self._requests[request.id] = request
            ended = [key for key, it in self._requests.items() if not it.is_pending and key not in self._awaited]
            for key in ended[: max(0, len(ended) - _ENDED_KEPT)]:
                del self._requests[key]

    def respond(self, response: ApprovalResponse) -> bool:
        """Takes an answer. It does not count after the question's end, from whoever asked, or from inside the call."""
        with self._changed:
            self._expire()
            request = self._requests.get(response.request_id)
            if request is None or not request.is_pending or request.id in _asking.get():
                return False
            if request.requester is not None and response.responder == request.requester:
                return False
            request.responded_at = response.timestamp
            request.responder = response.responder
            request.response_message = response.message
            request.status = ApprovalStatus.APPROVED if response.approved else ApprovalStatus.DENIED
            self._changed.notify_all()
            return True

    def get_pending(self) -> list[ApprovalRequest]:
        """The questions that wait."""
        with self._changed:
            self._expire()
            return [it for it in self._requests.values() if it.is_pending]

    def get_request(self, request_id: str) -> ApprovalRequest | None:
        """One of them."""
        with self._changed:
            self._expire()
            return self._requests.get(request_id)

    def wait_for_response(self, request_id: str, poll_interval: float = 0.5) -> ApprovalRequest:
        """Waits until it is answered or its time is over, to the millisecond."""
        with self._changed:
            request = self._requests.get(request_id)
            if request is None:
                raise ValueError(f"Unknown request ID: {request_id}")
            self._awaited[request_id] = self._awaited.get(request_id, 0) + 1
            try:
                while request.is_pending and not request.is_expired:
                    self._changed.wait(min(request.time_remaining, 60.0))
                self._expire()
            finally:
                self._awaited.pop(request_id, None)
            return request

    def _expire(self) -> None:
        for request in self._requests.values():
            if request.is_expired:
                request.status = ApprovalStatus.TIMEOUT


class ApprovalGate:
    """Asks people and waits.

    `approvers`: the names that may answer; without it, anybody but the asker. Names are what the caller of `approve`
    says they are: where the agent's own code could call it, answer through a gate's server instead, where keys prove
    who answers.
    """

    def __init__(
        self,
        queue: ApprovalQueue | None = None,
        default_timeout: float = 300,
        on_request: Callable[[ApprovalRequest], None] | None = None,
        *,
        approvers: Iterable[str] | None = None,
    ) -> None:
        self.queue: ApprovalQueue = queue if queue is not None else InMemoryApprovalQueue()
        self.default_timeout = default_timeout
        self.on_request = on_request
        self.approvers = None if approvers is None else frozenset(approvers)

    def request_approval(
        self,
        operation: str,
        reason: str,
        context: dict[str, Any] | None = None,
        timeout: float | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        digest: str | None = None,
        requester: str | None = None,
    ) -> ApprovalRequest:
        """Asks, and blocks until there is an answer or the time is over. `timeout=0`: nobody is waited for."""
        request = _request(
            operation,
            reason,
            context,
            self.default_timeout if timeout is None else timeout,
            metadata,
            digest,
            requester,
        )
        self.queue.submit(request)
        token = _asking.set((*_asking.get(), request.id))
        try:
            _notify(self.on_request, request)
        finally:
            _asking.reset(token)
        return self.queue.wait_for_response(request.id)

    def approve(self, request_id: str, responder: str | None = None, message: str | None = None) -> bool:
        """Says yes. False if that does not count."""
        return self._respond(ApprovalResponse(request_id, True, responder, message))

    def deny(self, request_id: str, responder: str | None = None, message: str | None = None) -> bool:
        """Says no. False if that does not count."""
        return self._respond(ApprovalResponse(request_id, False, responder, message))

    def _respond(self, response: ApprovalResponse) -> bool:
        if self.approvers is not None and response.responder not in self.approvers:
            return False
        return self.queue.respond(response)

    def get_pending(self) -> list[ApprovalRequest]:
        """The questions that wait."""
        return self.queue.get_pending()

    def get_request(self, request_id: str) -> ApprovalRequest | None:
        """One of them."""
        return self.queue.get_request(request_id)


class AsyncApprovalGate:
    """The same for asyncio: nobody's loop is blocked while people think."""

    def __init__(
        self,
        default_timeout: float = 300,
        on_request: Callable[[ApprovalRequest], None] | None = None,
        *,
        approvers: Iterable[str] | None = None,
    ) -> None:
        self._gate = ApprovalGate(None, default_timeout, on_request, approvers=approvers)

    @property
    def default_timeout(self) -> float:
        """Seconds until silence becomes no, where a policy says nothing."""
        return self._gate.default_timeout

    async def request_approval(
        self,
        operation: str,
        reason: str,
        context: dict[str, Any] | None = None,
        timeout: float | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        digest: str | None = None,
        requester: str | None = None,
    ) -> ApprovalRequest:
        """Asks, and waits for an answer or the end of its time."""
        seconds = self.default_timeout if timeout is None else timeout
        request = _request(operation, reason, context, seconds, metadata, digest, requester)
        queue = self._gate.queue
        queue.submit(request)
        token = _asking.set((*_asking.get(), request.id))
        try:
            _notify(self._gate.on_request, request)
        finally:
            _asking.reset(token)
        pause = 0.001
        while request.is_pending and not request.is_expired:
            await _asyncio().sleep(min(pause, request.time_remaining))
            pause = min(pause * 1.5, 0.02)
        queue.get_request(request.id)
        return request

    async def approve(self, request_id: str, responder: str | None = None, message: str | None = None) -> bool:
        """Says yes. False if that does not count."""
        return self._gate.approve(request_id, responder, message)

    async def deny(self, request_id: str, responder: str | None = None, message: str | None = None) -> bool:
        """Says no. False if that does not count."""
        return self._gate.deny(request_id, responder, message)

    def get_pending(self) -> list[ApprovalRequest]:
        """The questions that wait."""
        return self._gate.get_pending()

    def get_request(self, request_id: str) -> ApprovalRequest | None:
        """One of them."""
        return self._gate.get_request(request_id)


def _request(
    operation: str,
    reason: str,
    context: dict[str, Any] | None,
    timeout: float,
    metadata: dict[str, Any] | None,
    digest: str | None,
    requester: str | None,
) -> ApprovalRequest:
    # A copy: what a person reads must not change while they do.
    shown: dict[str, Any] = json.loads(json.dumps(context or {}, default=repr, skipkeys=True))
    return ApprovalRequest(
        new_id(),
        operation,
        reason,
        shown,
        time.time(),
        max(0.0, timeout),
        metadata=dict(metadata or {}),
        digest=digest,
        requester=requester,
    )


def _notify(tell: Callable[[ApprovalRequest], None] | None, request: ApprovalRequest) -> None:
    if tell is None:
        return
    try:
        tell(request)
    except Exception as error:
        # Whoever could not be told will not answer, and silence is no.
        request.metadata["notification_error"] = f"{type(error).__name__}: {error}"
