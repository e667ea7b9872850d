"""Claude Agent SDK: the permission callback and hooks.

    guard = ClaudeGuard(Calls(gate, "coder", user="alice"))
    options = ClaudeAgentOptions(can_use_tool=guard.can_use_tool, hooks=guard.hooks())

Use the hooks: the SDK asks `can_use_tool` only about what its own rules leave open, and `PreToolUse` about everything.
"""

from __future__ import annotations

from typing import Any

from claude_agent_sdk import (
    HookMatcher,
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)

from .._later import asyncio as _asyncio
from ..errors import SafetyViolation
from .calls import Calls, Decided, refusal

__all__ = ["ClaudeGuard"]

# Allows whose end has not been heard of yet; more than these are not kept.
_MOST = 1_024
_UNDECIDED = "the gate could not decide, so nothing is allowed: {}: {}"


class ClaudeGuard:
    """The gate before, and the report after, each tool of a session."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        # By the SDK's id, which says where a call's end belongs; what the call is, is its meaning.
        self._open: dict[str, tuple[str | None, Decided]] = {}

    async def can_use_tool(
        self, tool_name: str, tool_input: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        """The SDK's permission callback."""
        decided = self._open.get(context.tool_use_id or "")
        meaning = self.calls.meaning(tool_name, tool_input)
        if decided is not None and meaning is not None and decided[0] == meaning:
            # Ours was the hook that let it pass, and no other hook has changed it since.
            return PermissionResultAllow()
        try:
            await self._agreed(tool_name, tool_input, None, context.tool_use_id)
        except SafetyViolation as violation:
            return PermissionResultDeny(message=refusal(violation))
        except Exception as error:
            return PermissionResultDeny(message=_UNDECIDED.format(type(error).__name__, error))
        return PermissionResultAllow()

    async def before(self, event: Any, tool_use_id: str | None, context: Any) -> Any:
        """The `PreToolUse` hook."""
        said: dict[str, Any] = {"hookEventName": "PreToolUse"}
        try:
            await self._agreed(event["tool_name"], event["tool_input"], event.get("session_id"), tool_use_id)
            said["permissionDecision"] = "allow"
        except SafetyViolation as violation:
            said.update(permissionDecision="deny", permissionDecisionReason=refusal(violation))
        except Exception as error:
            why = _UNDECIDED.format(type(error).__name__, error)
            said.update(permissionDecision="deny", permissionDecisionReason=why)
        return {"hookSpecificOutput": said}

    async def after(self, event: Any, tool_use_id: str | None, context: Any) -> Any:
        """The `PostToolUse` and `PostToolUseFailure` hooks: the end goes on record, and is screened."""
        _, decision = self._open.pop(tool_use_id or "", (None, None))
        if decision is None:
            return {}
        aside = _asyncio().to_thread
        if event["hook_event_name"] == "PostToolUseFailure":
            await aside(self.calls.failed, decision, RuntimeError(str(event.get("error", "it failed"))))
            return {}
        try:
            await aside(self.calls.done, decision, event.get("tool_response"))
        except SafetyViolation as violation:
            return {"decision": "block", "reason": refusal(violation)}
        return {}

    def hooks(self) -> dict[Any, list[HookMatcher]]:
        """For `ClaudeAgentOptions(hooks=...)`."""
        after = [HookMatcher(hooks=[self.after])]
        return {"PreToolUse": [HookMatcher(hooks=[self.before])], "PostToolUse": after, "PostToolUseFailure": after}

    async def _agreed(self, name: str, args: Any, session: str | None, call_id: str | None) -> None:
        session = self.calls.session_id or session
        decision = await _asyncio().to_thread(self.calls.agreed, name, args, session_id=session)
        if call_id is not None:
            while len(self._open) >= _MOST:
                self._open.pop(next(iter(self._open)))
            self._open[call_id] = (self.calls.meaning(name, args), decision)
