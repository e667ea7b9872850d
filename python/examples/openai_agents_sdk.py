"""OpenAI Agents SDK: tools behind the gate. The model is scripted; put your own in its place."""

from pathlib import Path

from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call

from portcullis import Gate
from portcullis.adapters.openai_agents import guarded


@function_tool
def refund(amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount:g}"


set_tracing_disabled(True)
gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
tools = guarded([refund], gate, "support-bot", user="carol", names={"refund": "stripe.refund"})
calls = [function_call("refund", {"amount": amount}, call_id=f"call-{amount}") for amount in (20, 5_000)]
model = ScriptedModel([[calls[0]], [calls[1]], [assistant_message("done")]])
agent = Agent(name="support", instructions="Help the customer.", tools=tools, model=model)
for item in Runner.run_sync(agent, "Give me my money back").new_items:
    if item.type == "tool_call_output_item":
        print(item.output)
