"""What both clients ask, and do around it: what may be repeated, how long to wait, how bodies are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from ._wire import CheckResult, Request, Settings, answer_of, ask, path

__all__ = [
    "LONG_POLL",
    "Calls",
    "batch_of",
    "is_unsent",
    "pause",
    "unreached",
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


def why_of(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.encode("utf-8", "replace").decode()[:4_096]


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


class Calls:
    """The native API as requests, for both clients: what is asked where, and what may be asked twice."""

    @staticmethod
    def check(text: str) -> Request:
        # Never twice once it may have arrived: limits would count it twice, and a key would be taken already.
        return Request("POST", "/v1/check", text.encode(), repeatable=False)

    @staticmethod
    def check_batch(checks: list[Data]) -> Request:
        return ask("POST", "v1", "check", "batch", json_body={"checks": checks})

    @staticmethod
    def outcome(decision_id: str, body: bytes) -> Request:
        # The same report twice is one.
        return Request("POST", path("v1", "decisions", decision_id, "outcome"), body, repeatable=True)

    @staticmethod
    def call_tool(agent_id: str, tool: str, args: Mapping[str, Any] | None, named: Data) -> Request:
        body = {"agent_id": agent_id, "args": dict(args or {}), **named}
        request = ask("POST", "v1", "tools", tool, "call", json_body=body)
        return request.waiting(float(named.get("wait_s") or 0) + 60.0)

    @staticmethod
    def hook(product: str, agent_id: str, event: Mapping[str, Any], fields: Data) -> Request:
        # An action each time: never twice once it may have arrived.
        body = {"agent_id": agent_id, "event": dict(event), **fields}
        return ask("POST", "v1", "hooks", product, json_body=body, repeatable=False)

    @staticmethod
    def decisions(filters: Data) -> Request:
        return ask("GET", "v1", "decisions", **filters)

    @staticmethod
    def decision(decision_id: str) -> Request:
        return ask("GET", "v1", "decisions", decision_id)

    @staticmethod
    def approvals(status: str | None, page: Data) -> Request:
        return ask("GET", "v1", "approvals", status=status, **page)

    @staticmethod
    def approval(approval_id: str, wait_s: float) -> Request:
        return ask("GET", "v1", "approvals", approval_id, wait_s=int(wait_s) or None).waiting(wait_s)

    @staticmethod
    def answer(approval_id: str, answer: str, message: str | None) -> Request:
        body = {} if message is None else {"message": message}
        return ask("POST", "v1", "approvals", approval_id, answer, json_body=body)

    @staticmethod
    def agents() -> Request:
        return ask("GET", "v1", "agents")

    @staticmethod
    def agent(agent_id: str) -> Request:
        return ask("GET", "v1", "agents", agent_id)

    @staticmethod
    def put_agent(agent_id: str, fields: Data) -> Request:
        return ask("PUT", "v1", "agents", agent_id, json_body=fields, repeatable=True)

    @staticmethod
    def switch_agent(agent_id: str, to: str, body: Data) -> Request:
        return ask("POST", "v1", "agents", agent_id, to, json_body=body, repeatable=True)

    @staticmethod
    def policy() -> Request:
        return ask("GET", "v1", "policy")

    @staticmethod
    def put_policy(text: str, if_match: str | None) -> Request:
        kind = "application/json" if text.lstrip().startswith("{") else "application/yaml"
        headers = (("If-Match", f'"{if_match.strip(chr(34))}"'),) if if_match else ()
        return Request("PUT", "/v1/policy", text.encode(), content_type=kind, headers=headers)

    @staticmethod
    def policy_versions(page: Data) -> Request:
        return ask("GET", "v1", "policy", "versions", **page)

    @staticmethod
    def ledger(start: int, limit: int | None) -> Request:
        return ask("GET", "v1", "ledger", limit=limit, from_=start)

    @staticmethod
    def checkpoint() -> Request:
        return ask("GET", "v1", "ledger", "checkpoint")

    @staticmethod
    def proof(index: int) -> Request:
        return ask("GET", "v1", "ledger", "proof", str(index))

    @staticmethod
    def tools(page: Data) -> Request:
        return ask("GET", "v1", "tools", **page)

    @staticmethod
    def tool(method: str, name: str, scope: str | None) -> Request:
        return ask(method, "v1", "tools", name, repeatable=True, scope=scope)

    @staticmethod
    def register_tool(name: str, url: str, fields: Data) -> Request:
        # The same declaration twice is one.
        return ask("POST", "v1", "tools", json_body={"name": name, "url": url, **fields}, repeatable=True)

    @staticmethod
    def secrets() -> Request:
        return ask("GET", "v1", "secrets")

    @staticmethod
    def secret(method: str, name: str, secret: str | None = None) -> Request:
        body = None if secret is None else {"secret": secret}
        return ask(method, "v1", "secrets", name, json_body=body, repeatable=True)

    @staticmethod
    def inspect(request: Data) -> Request:
        return ask("POST", "v1", "inspect", json_body=request, repeatable=True)

    @staticmethod
    def keys() -> Request:
        return ask("GET", "v1", "keys")

    @staticmethod
    def key(key_id: str) -> Request:
        return ask("GET", "v1", "keys", key_id)

    @staticmethod
    def create_key(name: str, role: str, fields: Data) -> Request:
        return ask("POST", "v1", "keys", json_body={"name": name, "role": role, **fields})

    @staticmethod
    def revoke_key(key_id: str) -> Request:
        return ask("DELETE", "v1", "keys", key_id, repeatable=True)

    @staticmethod
    def own_key() -> Request:
        return ask("GET", "v1", "key")

    @staticmethod
    def evaluate(which: str, request: Mapping[str, Any]) -> Request:
        return ask("POST", "access", "v1", which, json_body=dict(request))

    @staticmethod
    def authzen_configuration() -> Request:
        return ask("GET", ".well-known", "authzen-configuration")

    @staticmethod
    def probe(name: str) -> Request:
        return ask("GET", name)

    @staticmethod
    def metrics() -> Request:
        return ask("GET", "metrics")

    @staticmethod
    def openapi() -> Request:
        return ask("GET", "openapi.json")
