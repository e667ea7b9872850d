"""Adapters for agent frameworks. Each is a module of its own and imports its framework; none is imported here.

`langchain`, `openai_agents`, `tool_loops` (OpenAI's and Anthropic's SDKs), `claude_agent`, `pydantic_ai`, `crewai`,
`mcp_server`. What they share is `calls.Calls`: it works with a `Gate` in this process and with a `Portcullis` client.
"""

from .calls import Calls, refusal

__all__ = ["Calls", "refusal"]
