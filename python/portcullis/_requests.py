"""What both clients do around a request: what may be repeated, how long to wait, how bodies are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from ._wire import CheckResult, Request, Settings, answer_of, ask

__all__ = [
    "LONG_POLL",
    "Calls",
    "batch_of",
    "is_unsent",
    "note",
    "pause",
    "policy_request",
    "unreached",
    "waiting",
    "why_of",
]

Data = dict[str, Any]

# The longest that the gate holds one question open, in seconds.
LONG_POLL = 30.0


def is_unsent(error: httpx.HTTPError) -> bool:
    """True if the request cannot have reached the gate."""
    return isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))


def unreached(settings: Settings, error: Exception) -> str:
    kind = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
    return f"the gate at {settings.base_url} {kind}, so nothing is allowed: {type(error).__name__}"


def pause(attempt: int) -> float:
    return 0.05 * 2.0**attempt


class Calls:
    """The native API as requests, for both clients."""

    @staticmethod
    def outcome(decision_id: str, body: bytes) -> Request:
        # The same report twice is one.
        return Request("POST", f"/v1/decisions/{decision_id}/outcome", body, repeatable=True)

    @staticmethod
    def check(text: str) -> Request:
        # Never twice once it may have arrived: limits would count it twice, and a key would be taken already.
        return Request("POST", "/v1/check", text.encode(), repeatable=False)

    @staticmethod
    def call_tool(agent_id: str, tool: str, args: Mapping[str, Any] | None, named: Data) -> Request:
        body = {"agent_id": agent_id, "args": dict(args or {}), **named}
        request = ask("POST", "v1", "tools", tool, "call", json_body=body)
        return waiting(request, float(named.get("wait_s") or 0) + 60.0)

    @staticmethod
    def hook(product: str, body: Data) -> Request:
        # An action each time: never twice once it may have arrived.
        return ask("POST", "v1", "hooks", product, json_body=body, repeatable=False)

    @staticmethod
    def register_tool(name: str, url: str, fields: Data) -> Request:
        # The same declaration twice is one.
        return ask("POST", "v1", "tools", json_body={"name": name, "url": url, **fields}, repeatable=True)

    @staticmethod
    def tool(method: str, name: str, scope: str | None) -> Request:
        return ask(method, "v1", "tools", name, repeatable=True, scope=scope)

    @staticmethod
    def secret(method: str, name: str, secret: str | None = None) -> Request:
        body = None if secret is None else {"secret": secret}
        return ask(method, "v1", "secrets", name, json_body=body, repeatable=True)


def why_of(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.encode("utf-8", "replace").decode()[:4_096]


def waiting(request: Request, wait_s: float) -> Request:
    return Request(
        request.method, request.path, request.body, request.repeatable, request.content_type, request.headers, wait_s
    )


def note(message: str | None) -> Data:
    return {} if message is None else {"message": message}


def policy_request(text: str, if_match: str | None) -> Request:
    kind = "application/json" if text.lstrip().startswith("{") else "application/yaml"
    headers = (("If-Match", f'"{if_match.strip(chr(34))}"'),) if if_match else ()
    return Request("PUT", "/v1/policy", text.encode(), content_type=kind, headers=headers)


def batch_of(reply: Any) -> list[CheckResult]:
    results: list[CheckResult] = []
    for it in reply["results"]:
        problem: Any = it.get("error") if isinstance(it, dict) and "decision" not in it else None
        if problem is not None:
            why, code = str(problem.get("detail")), str(problem.get("code"))
            results.append(CheckResult("deny", False, False, why, code))
        else:
            results.append(answer_of(it))
    return results
