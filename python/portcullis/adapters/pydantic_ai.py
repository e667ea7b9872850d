"""Pydantic AI: a toolset around toolsets.

    agent = Agent(model, toolsets=[GuardedToolset(FunctionToolset([refund]), Calls(gate, "support-bot", user="alice"))])

A call that people must agree to waits for them (`wait_s`); with `interrupt_for_approval` it is deferred as
`ApprovalRequired`, and carried out once both the run is resumed with an approval and the gate's people have agreed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ApprovalRequired as Deferred
from pydantic_ai.toolsets import WrapperToolset

from .._later import asyncio as _asyncio
from ..errors import ApprovalRequired, SafetyViolation
from .calls import Calls, refusal

__all__ = ["GuardedToolset"]


@dataclass
class GuardedToolset(WrapperToolset[Any]):
    """Every call of the toolset's tools through the gate. A refusal is the tool's answer to the model."""

    calls: Calls
    interrupt_for_approval: bool = False

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: Any) -> Any:
        """Around a tool call."""
        # Every run counts its steps anew, and a session may have many runs.
        step = None if ctx.run_id is None else f"{ctx.run_id}/{ctx.run_step}"
        session = self.calls.session_id or ctx.run_id
        aside = _asyncio().to_thread
        metadata: Any = ctx.tool_call_metadata if ctx.tool_call_approved else None
        approval = metadata.get("approval_id") if isinstance(metadata, dict) else None
        call = super().call_tool
        try:
            if approval is None:
                return await self.calls.arun(
                    name, tool_args, lambda: call(name, tool_args, ctx, tool), step=step, session_id=session
                )
            # The question was asked in another run, and is about the call as it was there.
            step, session = metadata.get("step"), metadata.get("session_id")
            decision = await aside(
                self.calls.check, name, tool_args, step=step, session_id=session, approval_id=str(approval)
            )
            if not decision.allowed:
                raise SafetyViolation(decision.reason, code=decision.code, rule=decision.rule, decision=decision)
        except ApprovalRequired as asked:
            if self.interrupt_for_approval:
                known = {"approval_id": asked.decision.approval_id, "session_id": session, "step": step}
                raise Deferred({**known, "reason": asked.reason}) from None
            return refusal(asked)
        except SafetyViolation as violation:
            return refusal(violation)
        try:
            result = await call(name, tool_args, ctx, tool)
        except BaseException as error:
            await aside(self.calls.failed, decision, error)
            raise
        return await aside(self.calls.done, decision, result)
