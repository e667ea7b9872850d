"""OpenAI Agents SDK: tools that go through the gate.

    agent = Agent(name="support", tools=guarded([refund, lookup], gate, "support-bot", user="alice"))

A call that people must agree to waits for them (`wait_s`), or interrupts the run like the SDK's own approvals
(`interrupt_for_approval`): answer it at the gate, `state.approve(...)`, run again. The SDK's approval alone carries
nothing out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from agents import FunctionTool, Tool

from .._later import asyncio as _asyncio
from ..errors import SafetyViolation
from .calls import Calls, read_args, refusal

__all__ = ["guarded"]


def guarded(
    tools: Iterable[Tool], gate: Any, agent: str, *, interrupt_for_approval: bool = False, **how: Any
) -> list[Tool]:
    """The tools, each behind the gate. `how` is what `Calls` takes.

    Raises `TypeError` for a tool that OpenAI carries out (hosted search and the like): no gate can stand before it.
    """
    calls = Calls(gate, agent, **how)
    return [_guarded(tool, calls, interrupt_for_approval) for tool in tools]


def _guarded(tool: Tool, calls: Calls, interrupts: bool) -> Tool:
    if not isinstance(tool, FunctionTool):
        raise TypeError(
            f"`{tool.name}` is no function tool: it is not carried out here, so no gate can stand before it"
        )
    invoke, asked = tool.on_invoke_tool, dict[str, str]()

    def meaning(args: Any) -> str:
        return repr(args)

    async def called(context: Any, text: str) -> Any:
        args = read_args(text)
        approval = asked.pop(meaning(args), None)
        aside = _asyncio().to_thread
        try:
            if approval is None:
                return await calls.arun(tool.name, args, lambda: invoke(context, text))
            decision = await aside(calls.check, tool.name, args, approval_id=approval)
            if not decision.allowed:
                why = f"the gate's people have not agreed: {decision.reason}"
                raise SafetyViolation(why, code=decision.code, rule=decision.rule, decision=decision)
            try:
                result = await invoke(context, text)
            except BaseException as error:
                await aside(calls.failed, decision, error)
                raise
            return await aside(calls.done, decision, result)
        except SafetyViolation as violation:
            return refusal(violation)

    async def needs_approval(context: Any, args: dict[str, Any], call_id: str) -> bool:
        decision = await _asyncio().to_thread(calls.check, tool.name, args)
        if decision.requires_approval and decision.approval_id:
            asked[meaning(args)] = decision.approval_id
            return True
        if decision.allowed:
            # Asked in advance only: what is held here is decided anew when it is called.
            await _asyncio().to_thread(_cancel, calls, decision)
        return False

    if interrupts:
        return dataclasses.replace(tool, on_invoke_tool=called, needs_approval=needs_approval)
    return dataclasses.replace(tool, on_invoke_tool=called)


def _cancel(calls: Calls, decision: Any) -> None:
    calls._report(decision, "cancelled")
