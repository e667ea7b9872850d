"""OpenAI Agents SDK: tools that go through the gate.

    agent = Agent(name="support", tools=guarded([refund, lookup], gate, "support-bot", user="alice"))

A call that people must agree to waits for them (`wait_s`), or interrupts the run like the SDK's own approvals
(`interrupt_for_approval`): answer it at the gate, `state.approve(...)`, run again. The SDK's approval alone carries
nothing out. `guardrails` is the same in the form of the SDK's tool guardrails, for tools that are made elsewhere.
"""

from __future__ import annotations

import dataclasses
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from agents import (
    FunctionTool,
    Tool,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
    ToolOutputGuardrail,
    ToolOutputGuardrailData,
)

from .._later import asyncio as _asyncio
from ..errors import SafetyViolation
from .calls import Calls, Decided, read_args, refusal

__all__ = ["guarded", "guardrails"]

# Questions, and calls under way, that nobody has come back to; more than these are not kept.
_MOST = 1_024
Step = Callable[[Any], "str | None"]
Question = Callable[[Decided, dict[str, Any]], None]


def guarded(
    tools: Iterable[Tool],
    gate: Any,
    agent: str,
    *,
    interrupt_for_approval: bool = False,
    on_question: Question | None = None,
    step: Step | None = None,
    **how: Any,
) -> list[Tool]:
    """The tools, each behind the gate. `how` is what `Calls` takes.

    `on_question` is told of every question that interrupts: the decision with its `approval_id`, and the arguments.
    `step` names the turn of a call by its context, which the SDK does not: then a call that is repeated in the same
    session and step is the same call. Raises `TypeError` for a tool that OpenAI carries out (hosted search and the
    like): no gate can stand before it.
    """
    calls = Calls(gate, agent, **how)
    asks = (on_question or (lambda *_: None)) if interrupt_for_approval else None
    return [_guarded(tool, calls, asks, step or (lambda _: None)) for tool in tools]


def _guarded(tool: Tool, calls: Calls, asks: Question | None, step: Step) -> Tool:
    if not isinstance(tool, FunctionTool):
        raise TypeError(
            f"`{tool.name}` is no function tool: it is not carried out here, so no gate can stand before it"
        )
    invoke, asked, aside = tool.on_invoke_tool, OrderedDict[str, str](), _asyncio().to_thread

    async def called(context: Any, text: str) -> Any:
        args = read_args(text)
        approval = asked.pop(calls.meaning(args) or "", None)
        try:
            if approval is None:
                return await calls.arun(tool.name, args, lambda: invoke(context, text), step=step(context))
            decision = await aside(calls.check, tool.name, args, step=step(context), approval_id=approval, keyed=False)
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
        decision = await aside(calls.check, tool.name, args, step=step(context), keyed=False)
        if decision.requires_approval and decision.approval_id and asks is not None:
            _keep(asked, calls.meaning(args) or "", decision.approval_id)
            asks(decision, args)
            return True
        if decision.allowed:
            # Asked in advance only: what is held here is decided anew when it is called.
            await aside(calls.cancelled, decision)
        return False

    if asks is not None:
        return dataclasses.replace(tool, on_invoke_tool=called, needs_approval=needs_approval)
    return dataclasses.replace(tool, on_invoke_tool=called)


def _keep(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    kept[key] = value
    while len(kept) > _MOST:
        kept.popitem(last=False)


def guardrails(gate: Any, agent: str, **how: Any) -> tuple[ToolInputGuardrail[Any], ToolOutputGuardrail[Any]]:
    """The SDK's own form: for `tool_input_guardrails` and `tool_output_guardrails` of a tool, always both.

    The first decides each call, the second reports its end and screens what it gave. The SDK tells a guardrail nothing
    of a tool that raised beyond its handler of failures: such a call stays held until it lapses.
    """
    calls, begun, aside = Calls(gate, agent, **how), OrderedDict[str, Decided](), _asyncio().to_thread
    reject = ToolGuardrailFunctionOutput.reject_content

    async def before(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        try:
            decision = await aside(calls.agreed, data.context.tool_name, read_args(data.context.tool_arguments))
        except SafetyViolation as violation:
            return reject(refusal(violation))
        _keep(begun, data.context.tool_call_id, decision)
        return ToolGuardrailFunctionOutput.allow()

    async def after(data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
        decision = begun.pop(data.context.tool_call_id, None)
        if decision is None:
            return reject("The result is kept back: this call was not decided by the gate.")
        try:
            shown = await aside(calls.done, decision, data.output)
        except SafetyViolation as violation:
            return reject(refusal(violation))
        if shown is data.output or shown == data.output:
            return ToolGuardrailFunctionOutput.allow()
        return reject(shown if isinstance(shown, str) else json.dumps(shown, default=str))

    return ToolInputGuardrail(before, name="portcullis"), ToolOutputGuardrail(after, name="portcullis")
