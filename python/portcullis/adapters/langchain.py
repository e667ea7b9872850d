"""LangChain 1.x and LangGraph: a middleware around every tool call.

    agent = create_agent(model, tools, middleware=[PortcullisMiddleware(gate, "support-bot", user="alice")])

For a plain `ToolNode` of LangGraph: `ToolNode(tools, wrap_tool_call=middleware.wrap_tool_call)`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langgraph.config import get_config
from langgraph.types import Command, interrupt

from .._later import asyncio as _asyncio
from ..errors import ApprovalRequired, SafetyViolation
from .calls import Calls, Decided, Known, refusal

__all__ = ["PortcullisMiddleware"]

Answer = ToolMessage | Command[Any]


class PortcullisMiddleware(AgentMiddleware[Any, Any]):
    """Every tool call through the gate. A refused call is answered to the model, and not carried out.

    With `interrupt_for_approval`, a call that people must agree to interrupts the graph (which needs a checkpointer):
    the interrupt's value has the `approval_id`; answer it at the gate, then resume. Resuming approves nothing by
    itself. Without it, the call waits `wait_s`, or is refused.
    """

    def __init__(self, gate: Any, agent: str, *, interrupt_for_approval: bool = False, **how: Any) -> None:
        super().__init__()
        self.calls = Calls(gate, agent, **how)
        self.interrupts = interrupt_for_approval

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Answer]) -> Answer:
        """Around a tool call."""
        call = _Call(self.calls, request)
        try:
            decision = call.agreed(self.interrupts)
        except SafetyViolation as violation:
            return call.told(refusal(violation))
        except Known as known:
            return call.again(known.result)
        try:
            answer = handler(request)
        except BaseException as error:
            self.calls.failed(decision, error)
            raise
        return call.ended(decision, answer)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Answer]]
    ) -> Answer:
        """Around a tool call, in asyncio."""
        call, aside = _Call(self.calls, request), _asyncio().to_thread
        try:
            try:
                decision: Decided = await aside(call.agreed, False)
            except ApprovalRequired as asked:
                if not self.interrupts:
                    raise
                # An interrupt finds its graph on the loop's own thread.
                decision = call.interrupted(asked)
        except SafetyViolation as violation:
            return call.told(refusal(violation))
        except Known as known:
            return call.again(known.result)
        try:
            answer = await handler(request)
        except BaseException as error:
            await aside(self.calls.failed, decision, error)
            raise
        ended: Answer = await aside(call.ended, decision, answer)
        return ended


class _Call:
    """One tool call of a graph."""

    def __init__(self, calls: Calls, request: ToolCallRequest) -> None:
        self.calls = calls
        self.name = request.tool_call["name"]
        self.args = request.tool_call["args"]
        self.id = request.tool_call["id"] or ""
        self.session = calls.session_id or _thread()
        self.step = _step(request.state)

    def agreed(self, interrupts: bool) -> Decided:
        try:
            return self.calls.agreed(self.name, self.args, step=self.step, session_id=self.session)
        except ApprovalRequired as asked:
            if not interrupts:
                raise
            return self.interrupted(asked)

    def interrupted(self, asked: ApprovalRequired) -> Decided:
        approval = asked.decision.approval_id
        interrupt({"approval_id": approval, "tool": self.name, "args": self.args, "reason": asked.decision.reason})
        # Resumed: what people said is asked at the gate.
        decision = self.calls.check(self.name, self.args, step=self.step, session_id=self.session, approval_id=approval)
        if decision.allowed:
            return decision
        raise SafetyViolation(decision.reason, code=decision.code, rule=decision.rule, decision=decision) from None

    def told(self, text: str) -> ToolMessage:
        return ToolMessage(content=text, name=self.name, tool_call_id=self.id, status="error")

    def again(self, result: Any) -> ToolMessage:
        """The answer of a call that this step has carried out already, before it was begun anew."""
        return ToolMessage(content=_text(result), name=self.name, tool_call_id=self.id)

    def ended(self, decision: Decided, answer: Answer) -> Answer:
        if not isinstance(answer, ToolMessage):
            self.calls.done(decision, None)
            return answer
        if answer.status == "error":
            self.calls.failed(decision, RuntimeError(str(answer.content)))
            return answer
        try:
            shown = self.calls.done(decision, answer.content)
        except SafetyViolation as violation:
            return self.told(refusal(violation))
        if shown is answer.content or shown == answer.content:
            return answer
        return answer.model_copy(update={"content": _text(shown), "artifact": None})


def _text(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result)


def _thread() -> str | None:
    """The graph's thread, if it runs in one: a session."""
    try:
        found = get_config().get("configurable", {}).get("thread_id")
    except RuntimeError:
        return None
    return None if found is None else str(found)


def _step(state: Any) -> str | None:
    """The turn of the conversation: the model's last message, by its id. A graph that is resumed is in the same one;
    how many messages there are says less, as old ones may have been summed up."""
    messages: Any = state.get("messages") if isinstance(state, dict) else getattr(state, "messages", None)
    if not isinstance(messages, list):
        return None
    said = [it for it in messages if getattr(it, "type", "") == "ai"]
    return (getattr(said[-1], "id", None) if said else None) or str(len(said))
