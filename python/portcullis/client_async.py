"""The client for asyncio: `client.Portcullis`, awaited. A test holds that both have the same calls."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import httpx

from ._later import asyncio as _asyncio
from ._requests import (
    LONG_POLL,
    Calls,
    batch_of,
    is_unsent,
    pause,
    unreached,
    why_of,
)
from ._wire import (
    ApiError,
    CheckResult,
    Request,
    Settings,
    answer_of,
    check_request,
    is_over,
    outcome_body,
    read,
    shown,
    split,
    unreachable,
)
from .errors import GateUnavailable, stays, violation_of

__all__ = ["AsyncPortcullis"]

T = TypeVar("T")
Data = dict[str, Any]


class AsyncPortcullis:
    """A client for asyncio. One pool of connections.

    `timeout`: seconds for one request. `retries`: how often a request is repeated that may be (reading, reporting an
    outcome, and whatever never reached the gate). `fail_open`: tools that may go on when the gate cannot be reached.
    `cache_s`: how long plain allows without limits are kept for `check`; 0 keeps none.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 10.0,
        *,
        retries: int = 2,
        fail_open: Iterable[str] = (),
        cache_s: float = 0.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = Settings(base_url, api_key, timeout, retries, fail_open, cache_s)
        self._http = httpx.AsyncClient(
            base_url=self._settings.base_url,
            headers=self._settings.headers(),
            timeout=timeout,
            transport=transport,
            trust_env=False,
        )

    def __reduce__(self) -> NoReturn:
        raise stays(
            "a client",
            "it holds a key and open connections; make one there "
            "(AsyncPortcullis() reads PORTCULLIS_URL and PORTCULLIS_API_KEY)",
        )

    def __repr__(self) -> str:
        return f"AsyncPortcullis({self._settings.base_url!r})"

    async def __aenter__(self) -> AsyncPortcullis:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _send(self, request: Request) -> Any:
        """The answer's data. Raises `ApiError` or `GateUnavailable`."""
        attempt = 0
        while True:
            try:
                answer = await self._http.request(
                    request.method,
                    request.path,
                    content=request.body,
                    headers={"Content-Type": request.content_type, **dict(request.headers)} if request.body else None,
                    timeout=self._settings.timeout + request.wait_s,
                )
                return read(answer.status_code, answer.content, answer.headers.get("content-type", ""))
            except httpx.HTTPError as error:
                if attempt >= self._settings.retries or not (request.repeatable or is_unsent(error)):
                    raise GateUnavailable(unreached(self._settings, error)) from None
            await _asyncio().sleep(pause(attempt))
            attempt += 1

    async def check(
        self,
        agent_id: str,
        tool: str,
        args: Mapping[str, Any] | None = None,
        *,
        context: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> CheckResult:
        """Decides one action. Never raises for a denial, nor for a gate that cannot be reached: that is a denial.

        `named`: `user`, `session_id`, `step`, `environment`, `estimated_cost_usd`, `estimated_tokens`,
        `idempotency_key`, `approval_id`. Raises `ApiError` if the key may not ask.
        """
        text = check_request(agent_id, tool, args, {"context": dict(context or {}), **named})
        if isinstance(text, CheckResult):
            return text
        kept = self._settings.cache.find(text)
        return kept if kept is not None else await self._check(text, tool)

    async def _check(self, text: str, tool: str) -> CheckResult:
        try:
            result = answer_of(await self._send(Calls.check(text)))
        except GateUnavailable as error:
            return unreachable(str(error), tool in self._settings.fail_open)
        except ApiError as error:
            if error.code == "invalid_action":
                return CheckResult("deny", False, False, str(error), "invalid_action")
            raise
        self._settings.cache.keep(text, result)
        return result

    async def check_batch(self, checks: Iterable[Mapping[str, Any]]) -> list[CheckResult]:
        """Decides many in one commit, in order: each is what `POST /v1/check` takes. More than 1,000 go in parts."""
        every, results = [dict(it) for it in checks], list[CheckResult]()
        for start in range(0, len(every), 1_000):
            part = every[start : start + 1_000]
            try:
                reply = await self._send(Calls.check_batch(part))
            except GateUnavailable as error:
                results += [unreachable(str(error), it.get("tool") in self._settings.fail_open) for it in part]
                continue
            decided = batch_of(reply)
            for it in decided:
                self._settings.cache.saw(it)
            results += decided
        return results

    async def execute(
        self,
        agent_id: str,
        tool: str,
        fn: Callable[..., Awaitable[T] | T],
        *,
        args: Mapping[str, Any] | None = None,
        wait_s: float = 300.0,
        cost_usd: Callable[[T], Any] | None = None,
        **context: Any,
    ) -> T:
        """Checks, waits for people if they must agree, runs `fn`, reports how it ended, and gives its result.

        With `args`, `fn` is called with them: what was checked is what is done. `context` has what `check` takes by
        name; whatever else is in it goes to the rules as context. Raises `SafetyViolation` and its kin.
        """
        named, said = split(context)
        more = {"context": said, **named}
        text = check_request(agent_id, tool, args, more)
        decision = text if isinstance(text, CheckResult) else await self._check(text, tool)
        if decision.requires_approval and decision.approval_id:
            await self.wait_for_approval(decision, wait_s)
            text = check_request(agent_id, tool, args, {**more, "approval_id": decision.approval_id})
            decision = text if isinstance(text, CheckResult) else await self._check(text, tool)
        if not decision.allowed:
            raise violation_of(decision)
        try:
            given: Any = fn(**args) if args is not None else fn()
            result = await given if inspect.isawaitable(given) else given
        except BaseException as error:
            await self._failed(decision, error)
            raise
        reply = await self._done(
            decision, outcome_body("success", result, cost_usd=cost_usd(result) if cost_usd else None)
        )
        return cast(T, shown(reply, result, decision))

    async def wait_for_approval(self, asked: CheckResult, wait_s: float = 300.0) -> None:
        """Waits until people have agreed. Raises `ApprovalDenied` if they did not, `ApprovalRequired` if they were
        not heard of in time."""
        until = time.monotonic() + wait_s
        while True:
            left = max(0.0, until - time.monotonic())
            approval = await self.approval(asked.approval_id or "", wait_s=min(left, LONG_POLL))
            if is_over(approval, asked):
                return
            if left <= 0:
                raise violation_of(asked)

    async def _done(self, decision: CheckResult, body: bytes) -> Data:
        if decision.decision_id is None:
            return {}
        try:
            return cast(Data, await self._send(Calls.outcome(decision.decision_id, body)))
        except GateUnavailable as error:
            raise GateUnavailable(f"it was done, and could not be reported: {error}", decision=decision) from None

    async def _failed(self, decision: CheckResult, error: BaseException) -> None:
        try:
            await self._done(decision, outcome_body("failed", error=why_of(error)))
        except (GateUnavailable, ApiError):
            # The call's own error is what its caller must see; unreported, the action stays held.
            pass

    async def report(
        self,
        decision_id: str,
        status: str,
        *,
        result: Any = None,
        error: str | None = None,
        cost_usd: Any = None,
        tokens: int | None = None,
    ) -> Data:
        """Reports how an allowed action ended: `success`, `failed` or `cancelled`. The answer has the screened
        result."""
        return cast(
            Data, await self._send(Calls.outcome(decision_id, outcome_body(status, result, error, cost_usd, tokens)))
        )

    async def call_tool(self, agent_id: str, tool: str, args: Mapping[str, Any] | None = None, **named: Any) -> Data:
        """Has the gate itself carry out a declared tool. `wait_s`: seconds to wait for people, at most 60."""
        return cast(Data, await self._send(Calls.call_tool(agent_id, tool, args, named)))

    async def decisions(self, **filters: Any) -> Data:
        """Decisions, newest first: `agent_id`, `tool`, `decision`, `user`, `session_id`, `since`, `until`, `limit`,
        `cursor`."""
        return cast(Data, await self._send(Calls.decisions(filters)))

    async def decision(self, decision_id: str) -> Data:
        """One decision, with its arguments and its outcome."""
        return cast(Data, await self._send(Calls.decision(decision_id)))

    async def approvals(self, status: str | None = None, **page: Any) -> Data:
        """Questions to people, newest first."""
        return cast(Data, await self._send(Calls.approvals(status, page)))

    async def approval(self, approval_id: str, *, wait_s: float = 0.0) -> Data:
        """One question; with `wait_s` as soon as it is answered."""
        return cast(Data, await self._send(Calls.approval(approval_id, wait_s)))

    async def approve(self, approval_id: str, message: str | None = None) -> Data:
        """Says yes, as the person whose key it is."""
        return cast(Data, await self._send(Calls.answer(approval_id, "approve", message)))

    async def deny(self, approval_id: str, message: str | None = None) -> Data:
        """Says no."""
        return cast(Data, await self._send(Calls.answer(approval_id, "deny", message)))

    async def agents(self) -> Data:
        """All agents."""
        return cast(Data, await self._send(Calls.agents()))

    async def agent(self, agent_id: str) -> Data:
        """One agent."""
        return cast(Data, await self._send(Calls.agent(agent_id)))

    async def put_agent(self, agent_id: str, **fields: Any) -> Data:
        """Describes an agent."""
        return cast(Data, await self._send(Calls.put_agent(agent_id, fields)))

    async def disable_agent(self, agent_id: str, reason: str) -> Data:
        """Switches an agent off: its next check is denied."""
        self._settings.cache.drop()
        return cast(
            Data,
            await self._send(Calls.switch_agent(agent_id, "disable", {"reason": reason})),
        )

    async def enable_agent(self, agent_id: str) -> Data:
        """Switches it on again."""
        return cast(Data, await self._send(Calls.switch_agent(agent_id, "enable", {})))

    async def policy(self) -> Any:
        """The policy in force."""
        return await self._send(Calls.policy())

    async def put_policy(self, text: str, *, if_match: str | None = None) -> Data:
        """Puts a policy in force (YAML or JSON); with `if_match` only after that version."""
        self._settings.cache.drop()
        return cast(Data, await self._send(Calls.put_policy(text, if_match)))

    async def policy_versions(self, **page: Any) -> Data:
        """The policies that were in force."""
        return cast(Data, await self._send(Calls.policy_versions(page)))

    async def ledger(self, start: int = 0, limit: int | None = None) -> Data:
        """Records."""
        return cast(Data, await self._send(Calls.ledger(start, limit)))

    async def checkpoint(self) -> str:
        """The signed checkpoint that covers all records."""
        return str(await self._send(Calls.checkpoint()))

    async def proof(self, index: int) -> Data:
        """The proof that a record is in the ledger."""
        return cast(Data, await self._send(Calls.proof(index)))

    async def tools(self, **page: Any) -> Data:
        """The tools that were seen and are declared."""
        return cast(Data, await self._send(Calls.tools(page)))

    async def tool(self, name: str, *, scope: str | None = None) -> Data:
        """One tool that the gate calls itself. `scope`: `global`, or `agent:` and an agent's id."""
        return cast(Data, await self._send(Calls.tool("GET", name, scope)))

    async def register_tool(self, name: str, url: str, **fields: Any) -> Data:
        """Declares a tool that the gate calls, or replaces it: an edit of the policy. `fields`: the keys of a tool in
        the policy (`method`, `auth`, `schema`, `timeout_ms`, `price_usd`, ...) and `scope`."""
        return cast(Data, await self._send(Calls.register_tool(name, url, fields)))

    async def remove_tool(self, name: str, *, scope: str | None = None) -> Data:
        """Takes a tool out of the policy, and drops the secret that was stored with it."""
        return cast(Data, await self._send(Calls.tool("DELETE", name, scope)))

    async def secrets(self) -> Data:
        """The names of stored secrets."""
        return cast(Data, await self._send(Calls.secrets()))

    async def put_secret(self, name: str, secret: str) -> Data:
        """Seals a secret and stores it; it is given back to nobody."""
        return cast(Data, await self._send(Calls.secret("PUT", name, secret)))

    async def remove_secret(self, name: str) -> Data:
        """Drops a stored secret."""
        return cast(Data, await self._send(Calls.secret("DELETE", name)))

    async def inspect(self, **request: Any) -> Data:
        """What an action would do and what a text contains, by the policy's parsers and detectors; decides nothing."""
        return cast(Data, await self._send(Calls.inspect(request)))

    async def keys(self) -> Data:
        """All keys, without their secrets."""
        return cast(Data, await self._send(Calls.keys()))

    async def key(self, key_id: str) -> Data:
        """One key, without its secret."""
        return cast(Data, await self._send(Calls.key(key_id)))

    async def create_key(self, name: str, role: str, **fields: Any) -> Data:
        """Makes a key; its secret is in the answer, this once."""
        return cast(Data, await self._send(Calls.create_key(name, role, fields)))

    async def revoke_key(self, key_id: str) -> Data:
        """Revokes a key."""
        return cast(Data, await self._send(Calls.revoke_key(key_id)))

    async def own_key(self) -> Data:
        """What the key of this client may do."""
        return cast(Data, await self._send(Calls.own_key()))

    async def hook(self, product: str, agent_id: str, event: Mapping[str, Any], **fields: Any) -> Data:
        """What the hook of a coding agent (`claude-code`, `codex`, `cursor`, `gemini-cli`, ...) is told of an event.
        `fields`: `user`, `folder`, `home`, `grant`."""
        return cast(Data, await self._send(Calls.hook(product, agent_id, event, fields)))

    async def evaluate(self, request: Mapping[str, Any]) -> Data:
        """OpenID AuthZEN: one evaluation."""
        return cast(Data, await self._send(Calls.evaluate("evaluation", request)))

    async def evaluate_all(self, request: Mapping[str, Any]) -> Data:
        """OpenID AuthZEN: many."""
        return cast(Data, await self._send(Calls.evaluate("evaluations", request)))

    async def authzen_configuration(self) -> Data:
        """OpenID AuthZEN: where the evaluations are."""
        return cast(Data, await self._send(Calls.authzen_configuration()))

    async def health(self) -> bool:
        """True if the gate is there."""
        return await self._probe("healthz")

    async def ready(self) -> bool:
        """True if it decides and records."""
        return await self._probe("readyz")

    async def _probe(self, name: str) -> bool:
        try:
            await self._send(Calls.probe(name))
        except (GateUnavailable, ApiError):
            return False
        return True

    async def metrics(self) -> str:
        """Prometheus' text."""
        return str(await self._send(Calls.metrics()))

    async def openapi(self) -> Data:
        """The API's own description."""
        return cast(Data, await self._send(Calls.openapi()))
