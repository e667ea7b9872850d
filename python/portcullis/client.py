"""A client of a gate that runs elsewhere. Every call of the native API; `client_async` is the same for asyncio.

    gate = Portcullis()                       # PORTCULLIS_URL, PORTCULLIS_API_KEY
    gate.execute("support-bot", "stripe.refund", refund, args={"charge": "ch_1", "amount": 20}, user="alice")

Where the gate cannot be reached the answer is no, but for tools named in `fail_open`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import httpx

from ._plain import begun, is_async
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

__all__ = ["ApiError", "CheckResult", "Portcullis"]

T = TypeVar("T")
Data = dict[str, Any]


class Portcullis:
    """A client that blocks. One pool of connections; safe to use from any thread.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = Settings(base_url, api_key, timeout, retries, fail_open, cache_s)
        self._http = httpx.Client(
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
            "(Portcullis() reads PORTCULLIS_URL and PORTCULLIS_API_KEY)",
        )

    def __repr__(self) -> str:
        return f"Portcullis({self._settings.base_url!r})"

    def __enter__(self) -> Portcullis:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _send(self, request: Request) -> Any:
        """The answer's data. Raises `ApiError` or `GateUnavailable`."""
        attempt = 0
        while True:
            try:
                answer = self._http.request(
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
            time.sleep(pause(attempt))
            attempt += 1

    def check(
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
        return kept if kept is not None else self._check(text, tool)

    def _check(self, text: str, tool: str) -> CheckResult:
        try:
            result = answer_of(self._send(Calls.check(text)))
        except GateUnavailable as error:
            return unreachable(str(error), tool in self._settings.fail_open)
        except ApiError as error:
            if error.code == "invalid_action":
                return CheckResult("deny", False, False, str(error), "invalid_action")
            raise
        self._settings.cache.keep(text, result)
        return result

    def check_batch(self, checks: Iterable[Mapping[str, Any]]) -> list[CheckResult]:
        """Decides many in one commit, in order: each is what `POST /v1/check` takes. More than 1,000 go in parts."""
        every, results = [dict(it) for it in checks], list[CheckResult]()
        for start in range(0, len(every), 1_000):
            part = every[start : start + 1_000]
            try:
                reply = self._send(Calls.check_batch(part))
            except GateUnavailable as error:
                results += [unreachable(str(error), it.get("tool") in self._settings.fail_open) for it in part]
                continue
            decided = batch_of(reply)
            for it in decided:
                self._settings.cache.saw(it)
            results += decided
        return results

    def execute(
        self,
        agent_id: str,
        tool: str,
        fn: Callable[..., T],
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
        if is_async(fn):
            raise TypeError("`fn` is to be awaited; use AsyncPortcullis, which does")
        named, said = split(context)
        more = {"context": said, **named}
        text = check_request(agent_id, tool, args, more)
        decision = text if isinstance(text, CheckResult) else self._check(text, tool)
        if decision.requires_approval and decision.approval_id:
            self.wait_for_approval(decision, wait_s)
            text = check_request(agent_id, tool, args, {**more, "approval_id": decision.approval_id})
            decision = text if isinstance(text, CheckResult) else self._check(text, tool)
        if not decision.allowed:
            raise violation_of(decision)
        try:
            result = begun(fn(**args) if args is not None else fn())
        except BaseException as error:
            self._failed(decision, error)
            raise
        reply = self._done(decision, outcome_body("success", result, cost_usd=cost_usd(result) if cost_usd else None))
        return cast(T, shown(reply, result, decision))

    def wait_for_approval(self, asked: CheckResult, wait_s: float = 300.0) -> None:
        """Waits until people have agreed. Raises `ApprovalDenied` if they did not, `ApprovalRequired` if they were
        not heard of in time."""
        until = time.monotonic() + wait_s
        while True:
            left = max(0.0, until - time.monotonic())
            approval = self.approval(asked.approval_id or "", wait_s=min(left, LONG_POLL))
            if is_over(approval, asked):
                return
            if left <= 0:
                raise violation_of(asked)

    def _done(self, decision: CheckResult, body: bytes) -> Data:
        if decision.decision_id is None:
            return {}
        try:
            return cast(Data, self._send(Calls.outcome(decision.decision_id, body)))
        except GateUnavailable as error:
            raise GateUnavailable(f"it was done, and could not be reported: {error}", decision=decision) from None

    def _failed(self, decision: CheckResult, error: BaseException) -> None:
        try:
            self._done(decision, outcome_body("failed", error=why_of(error)))
        except (GateUnavailable, ApiError):
            # The call's own error is what its caller must see; unreported, the action stays held.
            pass

    def report(
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
        return cast(Data, self._send(Calls.outcome(decision_id, outcome_body(status, result, error, cost_usd, tokens))))

    def call_tool(self, agent_id: str, tool: str, args: Mapping[str, Any] | None = None, **named: Any) -> Data:
        """Has the gate itself carry out a declared tool. `wait_s`: seconds to wait for people, at most 60."""
        return cast(Data, self._send(Calls.call_tool(agent_id, tool, args, named)))

    def decisions(self, **filters: Any) -> Data:
        """Decisions, newest first: `agent_id`, `tool`, `decision`, `user`, `session_id`, `since`, `until`, `limit`,
        `cursor`."""
        return cast(Data, self._send(Calls.decisions(filters)))

    def decision(self, decision_id: str) -> Data:
        """One decision, with its arguments and its outcome."""
        return cast(Data, self._send(Calls.decision(decision_id)))

    def approvals(self, status: str | None = None, **page: Any) -> Data:
        """Questions to people, newest first."""
        return cast(Data, self._send(Calls.approvals(status, page)))

    def approval(self, approval_id: str, *, wait_s: float = 0.0) -> Data:
        """One question; with `wait_s` as soon as it is answered."""
        return cast(Data, self._send(Calls.approval(approval_id, wait_s)))

    def approve(self, approval_id: str, message: str | None = None) -> Data:
        """Says yes, as the person whose key it is."""
        return cast(Data, self._send(Calls.answer(approval_id, "approve", message)))

    def deny(self, approval_id: str, message: str | None = None) -> Data:
        """Says no."""
        return cast(Data, self._send(Calls.answer(approval_id, "deny", message)))

    def agents(self) -> Data:
        """All agents."""
        return cast(Data, self._send(Calls.agents()))

    def agent(self, agent_id: str) -> Data:
        """One agent."""
        return cast(Data, self._send(Calls.agent(agent_id)))

    def put_agent(self, agent_id: str, **fields: Any) -> Data:
        """Describes an agent."""
        return cast(Data, self._send(Calls.put_agent(agent_id, fields)))

    def disable_agent(self, agent_id: str, reason: str) -> Data:
        """Switches an agent off: its next check is denied."""
        self._settings.cache.drop()
        return cast(
            Data,
            self._send(Calls.switch_agent(agent_id, "disable", {"reason": reason})),
        )

    def enable_agent(self, agent_id: str) -> Data:
        """Switches it on again."""
        return cast(Data, self._send(Calls.switch_agent(agent_id, "enable", {})))

    def policy(self) -> Any:
        """The policy in force."""
        return self._send(Calls.policy())

    def put_policy(self, text: str, *, if_match: str | None = None) -> Data:
        """Puts a policy in force (YAML or JSON); with `if_match` only after that version."""
        self._settings.cache.drop()
        return cast(Data, self._send(Calls.put_policy(text, if_match)))

    def policy_versions(self, **page: Any) -> Data:
        """The policies that were in force."""
        return cast(Data, self._send(Calls.policy_versions(page)))

    def ledger(self, start: int = 0, limit: int | None = None) -> Data:
        """Records."""
        return cast(Data, self._send(Calls.ledger(start, limit)))

    def checkpoint(self) -> str:
        """The signed checkpoint that covers all records."""
        return str(self._send(Calls.checkpoint()))

    def proof(self, index: int) -> Data:
        """The proof that a record is in the ledger."""
        return cast(Data, self._send(Calls.proof(index)))

    def tools(self, **page: Any) -> Data:
        """The tools that were seen and are declared."""
        return cast(Data, self._send(Calls.tools(page)))

    def tool(self, name: str, *, scope: str | None = None) -> Data:
        """One tool that the gate calls itself. `scope`: `global`, or `agent:` and an agent's id."""
        return cast(Data, self._send(Calls.tool("GET", name, scope)))

    def register_tool(self, name: str, url: str, **fields: Any) -> Data:
        """Declares a tool that the gate calls, or replaces it: an edit of the policy. `fields`: the keys of a tool in
        the policy (`method`, `auth`, `schema`, `timeout_ms`, `price_usd`, ...) and `scope`."""
        return cast(Data, self._send(Calls.register_tool(name, url, fields)))

    def remove_tool(self, name: str, *, scope: str | None = None) -> Data:
        """Takes a tool out of the policy, and drops the secret that was stored with it."""
        return cast(Data, self._send(Calls.tool("DELETE", name, scope)))

    def secrets(self) -> Data:
        """The names of stored secrets."""
        return cast(Data, self._send(Calls.secrets()))

    def put_secret(self, name: str, secret: str) -> Data:
        """Seals a secret and stores it; it is given back to nobody."""
        return cast(Data, self._send(Calls.secret("PUT", name, secret)))

    def remove_secret(self, name: str) -> Data:
        """Drops a stored secret."""
        return cast(Data, self._send(Calls.secret("DELETE", name)))

    def inspect(self, **request: Any) -> Data:
        """What an action would do and what a text contains, by the policy's parsers and detectors; decides nothing."""
        return cast(Data, self._send(Calls.inspect(request)))

    def keys(self) -> Data:
        """All keys, without their secrets."""
        return cast(Data, self._send(Calls.keys()))

    def key(self, key_id: str) -> Data:
        """One key, without its secret."""
        return cast(Data, self._send(Calls.key(key_id)))

    def create_key(self, name: str, role: str, **fields: Any) -> Data:
        """Makes a key; its secret is in the answer, this once."""
        return cast(Data, self._send(Calls.create_key(name, role, fields)))

    def revoke_key(self, key_id: str) -> Data:
        """Revokes a key."""
        return cast(Data, self._send(Calls.revoke_key(key_id)))

    def own_key(self) -> Data:
        """What the key of this client may do."""
        return cast(Data, self._send(Calls.own_key()))

    def hook(self, product: str, agent_id: str, event: Mapping[str, Any], **fields: Any) -> Data:
        """What the hook of a coding agent (`claude-code`, `codex`, `cursor`, `gemini-cli`, ...) is told of an event.
        `fields`: `user`, `folder`, `home`, `grant`."""
        return cast(Data, self._send(Calls.hook(product, agent_id, event, fields)))

    def evaluate(self, request: Mapping[str, Any]) -> Data:
        """OpenID AuthZEN: one evaluation."""
        return cast(Data, self._send(Calls.evaluate("evaluation", request)))

    def evaluate_all(self, request: Mapping[str, Any]) -> Data:
        """OpenID AuthZEN: many."""
        return cast(Data, self._send(Calls.evaluate("evaluations", request)))

    def authzen_configuration(self) -> Data:
        """OpenID AuthZEN: where the evaluations are."""
        return cast(Data, self._send(Calls.authzen_configuration()))

    def health(self) -> bool:
        """True if the gate is there."""
        return self._probe("healthz")

    def ready(self) -> bool:
        """True if it decides and records."""
        return self._probe("readyz")

    def _probe(self, name: str) -> bool:
        try:
            self._send(Calls.probe(name))
        except (GateUnavailable, ApiError):
            return False
        return True

    def metrics(self) -> str:
        """Prometheus' text."""
        return str(self._send(Calls.metrics()))

    def openapi(self) -> Data:
        """The API's own description."""
        return cast(Data, self._send(Calls.openapi()))
