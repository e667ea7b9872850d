"""OpenAI Agents SDK: tools behind the gate. Needs OPENAI_API_KEY to talk; without it, it shows the guarded tools."""

import os
from pathlib import Path

from agents import Agent, Runner, function_tool

from portcullis import Gate
from portcullis.adapters.openai_agents import guarded


@function_tool
def refund(amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount}"


gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
tools = guarded([refund], gate, "support-bot", user="carol", names={"refund": "stripe.refund"})
agent = Agent(name="support", instructions="Help the customer.", tools=tools)
if os.environ.get("OPENAI_API_KEY"):
    print(Runner.run_sync(agent, "Refund me 5000 dollars").final_output)
else:
    print([tool.name for tool in tools])
