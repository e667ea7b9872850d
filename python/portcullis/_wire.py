"""Requests and answers of a gate's HTTP API, for both clients: what is sent, what comes back, and what may be repeated.

Knows nothing of sockets.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from . import _engine
from ._plain import plain
from .errors import ApprovalDenied, GateUnavailable, SafetyViolation

__all__ = [
    "ApiError",
    "Cache",
    "CheckResult",
    "Request",
    "Settings",
    "answer_of",
    "ask",
    "check_request",
    "is_over",
    "outcome_body",
    "path",
    "shown",
    "split",
    "unreachable",
]


class ApiError(Exception):
    """The gate did not grant a request: an RFC 9457 problem. `code` is a word to branch on."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code", f"http_{status}"))
        super().__init__(str(problem.get("detail") or problem.get("title") or f"the gate answered {status}"))

    def __reduce__(self) -> tuple[Any, ...]:
        # An error of another process arrives as what it was made of, and not of its sentence.
        return ApiError, (self.status, self.problem)


@dataclass(frozen=True)
class CheckResult:
    """What a gate says of one action. Neither true nor false: ask `allowed`."""

    decision: str
    allowed: bool
    requires_approval: bool
    reason: str
    code: str
    decision_id: str | None = None
    approval_id: str | None = None
    rule: str | None = None
    policy_version: str = ""
    risk: str = "low"
    mode: str = "enforce"
    retry_after_s: int | None = None
    duplicate_of: str | None = None
    effects: list[dict[str, Any]] = field(default_factory=lambda: list[dict[str, Any]]())
    findings: list[dict[str, Any]] = field(default_factory=lambda: list[dict[str, Any]]())
    remaining: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())
    original: dict[str, Any] | None = None
    from_cache: bool = False

    def __bool__(self) -> bool:
        raise TypeError("a decision is neither true nor false; ask `decision.allowed`")


_FIELDS = frozenset(CheckResult.__dataclass_fields__)


def answer_of(data: Any) -> CheckResult:
    """The answer to a check. What is no answer of a gate is a denial."""
    if not isinstance(data, dict) or data.get("decision") not in ("allow", "deny", "pending"):
        return unreachable("the gate's answer cannot be read; is the address that of a gate?")
    known: dict[str, Any] = {key: value for key, value in data.items() if key in _FIELDS}
    known["allowed"] = data["decision"] == "allow" and data.get("allowed") is True
    known["requires_approval"] = data["decision"] == "pending"
    known.setdefault("reason", "")
    known.setdefault("code", data["decision"])
    return CheckResult(**known)


def unreachable(why: str, allowed: bool = False) -> CheckResult:
    """The answer of a gate that cannot be reached: no, unless the tool was named as one that may go on."""
    word = "allow" if allowed else "deny"
    return CheckResult(word, allowed, False, why, "unavailable", mode="fail_open" if allowed else "enforce")


def odd(why: str) -> CheckResult:
    """What is no action is denied here already: no server has to be asked."""
    return CheckResult("deny", False, False, why, "invalid_action")


@dataclass(frozen=True)
class Request:
    """One request. `repeatable`: sent twice, it does no more than once."""

    method: str
    path: str
    body: bytes | None = None
    repeatable: bool = False
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    wait_s: float = 0.0

    def waiting(self, wait_s: float) -> Request:
        """The same for a gate that may take so long to answer."""
        return replace(self, wait_s=wait_s)


def path(*parts: str) -> str:
    """A path of an API whose parts are whatever they are: a part of dots is no step up."""
    return "/" + "/".join(quote(it, safe="") if it.strip(".") else it.replace(".", "%2E") for it in parts)


def ask(method: str, *parts: str, json_body: Any = None, repeatable: bool | None = None, **query: Any) -> Request:
    """A request with JSON in it. Reading may be repeated."""
    words = urlencode({key.rstrip("_"): value for key, value in query.items() if value is not None})
    body = None if json_body is None else json.dumps(json_body, allow_nan=False).encode()
    again = method == "GET" if repeatable is None else repeatable
    return Request(method, path(*parts) + (f"?{words}" if words else ""), body, again)


class Settings:
    """Where the gate is, whose key is used, and what happens when it cannot be reached."""

    def __init__(
        self,
        base_url: str | None,
        api_key: str | None,
        timeout: float,
        retries: int,
        fail_open: Iterable[str],
        cache_s: float,
    ) -> None:
        found = base_url or os.environ.get("PORTCULLIS_URL") or "http://127.0.0.1:8787"
        if not found.startswith(("http://", "https://")):
            raise ValueError(f"`{found[:80]}` is not the address of a gate; write one such as http://127.0.0.1:8787")
        self.base_url = found.rstrip("/")
        self.api_key = api_key or os.environ.get("PORTCULLIS_API_KEY") or ""
        self.timeout = timeout
        self.retries = max(0, retries)
        self.fail_open = frozenset(fail_open)
        self.cache = Cache(cache_s)

    def headers(self) -> dict[str, str]:
        """Of every request. The key stays out of everything that is printed."""
        headers = {"User-Agent": "portcullis-python/0.1.0", "Accept": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers

    def __repr__(self) -> str:
        return f"<{self.base_url}>"


_ASKED = (
    "user",
    "session_id",
    "step",
    "environment",
    "estimated_cost_usd",
    "estimated_tokens",
    "idempotency_key",
    "approval_id",
)


def split(context: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a check asks for by name, and what else the caller says."""
    named = {key: context[key] for key in _ASKED if key in context}
    return named, {key: value for key, value in context.items() if key not in _ASKED}


def check_request(agent_id: str, tool: str, args: Mapping[str, Any] | None, more: dict[str, Any]) -> str | CheckResult:
    """The text of a check, or the denial of what is no action."""
    request: dict[str, Any] = {"agent_id": agent_id, "tool": tool}
    if args is not None:
        request["args"] = plain(dict(args))
    for key, value in more.items():
        if value is not None and value != {}:
            request[key] = plain(value)
    try:
        return _engine.canonical(request)
    except ValueError as why:
        return odd(str(why))


def outcome_body(
    status: str, result: Any = None, error: str | None = None, cost_usd: Any = None, tokens: int | None = None
) -> bytes:
    """The text of an outcome. A result that is no data is reported by its kind."""
    body: dict[str, Any] = {"status": status}
    for key, value in (("error", error), ("cost_usd", cost_usd), ("tokens", tokens)):
        if value is not None:
            body[key] = plain(value)
    if result is not None:
        try:
            return _engine.canonical({**body, "result": plain(result)}).encode()
        except ValueError:
            body["result"] = f"<{type(result).__name__}>"
    return _engine.canonical(body).encode()


def shown(reply: Mapping[str, Any], result: Any, decision: CheckResult) -> Any:
    """The result as the policy lets it out: itself, what the screens made of it, or a violation."""
    if reply.get("withheld"):
        why = f"it was done, and its result is kept back: {reply['withheld']}"
        raise SafetyViolation(why, code="screen", decision=decision)
    data: Any = plain(result)
    return result if not reply.get("findings") or reply.get("result") == data else reply.get("result")


def is_over(approval: Mapping[str, Any], asked: CheckResult) -> bool:
    """True if a person agreed; raises if nobody will any more; false while the question is open."""
    status = str(approval.get("status"))
    if status in ("pending", "approved"):
        return status == "approved"
    answers: list[Any] = list(approval.get("answers") or [])
    said = next((str(it["message"]) for it in reversed(answers) if it.get("message")), "")
    raise ApprovalDenied(
        f"approval `{asked.approval_id}` was {status}" + (f": {said}" if said else ""),
        code="approval_denied" if status == "denied" else "approval_expired",
        rule=asked.rule,
        decision=asked,
    )


def read(status: int, content: bytes, kind: str) -> Any:
    """The data of an answer. Raises `ApiError` for a problem, `GateUnavailable` for what no gate says."""
    if "json" not in kind:
        if status < 400:
            return content.decode("utf-8", "replace")
        raise ApiError(status, {"detail": f"the gate answered {status}"})
    try:
        data = json.loads(content) if content else {}
    except ValueError:
        raise GateUnavailable("the gate's answer is not JSON; is the address that of a gate?") from None
    if status >= 400:
        problem: dict[str, Any] = data if isinstance(data, dict) else {}
        if status == 503:
            raise GateUnavailable(str(problem.get("detail") or "the gate cannot decide now"))
        raise ApiError(status, problem)
    return data


class Cache:
    """Plain allows, for a short time: no approvals, no keys, nothing that a limit counts, nothing in a session (what
    happens in one may stop what was allowed before).

    Dropped whenever an answer was decided by another policy than the one before, or by an agent's being switched off.
    """

    _MOST = 4_096

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._version = ""
        self._kept: OrderedDict[str, tuple[float, CheckResult]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, text: str) -> CheckResult | None:
        """The allow that this check had a moment ago."""
        if self.seconds <= 0:
            return None
        with self._lock:
            kept = self._kept.get(text)
            if kept is None or kept[0] < time.monotonic():
                return None
            return kept[1]

    def saw(self, result: CheckResult) -> None:
        """Notes which policy decides now, and whether anybody was switched off."""
        version = result.policy_version
        with self._lock:
            if (version and version != self._version) or result.code == "agent_disabled":
                self._version = version or self._version
                self._kept.clear()

    def drop(self) -> None:
        """Forgets all of it."""
        with self._lock:
            self._kept.clear()

    def keep(self, text: str, result: CheckResult) -> None:
        """Keeps an answer if it may be."""
        self.saw(result)
        is_plain = result.allowed and result.code == "allowed" and result.mode == "enforce"
        if self.seconds <= 0 or not is_plain or result.remaining or result.approval_id or result.duplicate_of:
            return
        if not _ALONE.isdisjoint(json.loads(text)):
            return
        with self._lock:
            self._kept[text] = (time.monotonic() + self.seconds, _cached(result))
            while len(self._kept) > self._MOST:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


# Checks with any of these are decided each time.
_ALONE = frozenset(("idempotency_key", "session_id"))


def _cached(result: CheckResult) -> CheckResult:
    # Without the id: what is done under a kept answer has no record of its own to report to.
    values = {name: getattr(result, name) for name in _FIELDS}
    return CheckResult(**{**values, "decision_id": None, "from_cache": True})
