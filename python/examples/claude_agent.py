"""Claude Agent SDK: permission callback and hooks. Decides two events here; give `options` to a `ClaudeSDKClient`."""

import asyncio
from pathlib import Path

from claude_agent_sdk import ClaudeAgentOptions

from portcullis import Gate
from portcullis.adapters import Calls
from portcullis.adapters.claude_agent import ClaudeGuard

gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
guard = ClaudeGuard(Calls(gate, "support-bot", user="carol", names={"Bash": "shell.run"}))
options = ClaudeAgentOptions(can_use_tool=guard.can_use_tool, hooks=guard.hooks())


async def main() -> None:
    for command in ("ls", "rm -rf /"):
        event = {"tool_name": "Bash", "tool_input": {"command": command}, "session_id": "s-1"}
        print(command, (await guard.before(event, f"tu-{command}", None))["hookSpecificOutput"])


asyncio.run(main())
