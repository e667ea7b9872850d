"""Pydantic AI: a toolset behind the gate, with a scripted model."""

from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import FunctionToolset

from portcullis import Gate
from portcullis.adapters import Calls
from portcullis.adapters.pydantic_ai import GuardedToolset


def refund(amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount}"


def scripted(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    turn = sum(isinstance(it, ModelResponse) for it in messages)
    amounts = [20, 5_000]
    if turn < len(amounts):
        return ModelResponse(parts=[ToolCallPart("refund", {"amount": amounts[turn]})])
    return ModelResponse(parts=[TextPart("done")])


gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
calls = Calls(gate, "support-bot", user="carol", names={"refund": "stripe.refund"})
agent = Agent(FunctionModel(scripted), toolsets=[GuardedToolset(FunctionToolset([refund]), calls)])
for message in agent.run_sync("Give me my money back").all_messages():
    for part in message.parts:
        if isinstance(part, ToolReturnPart):
            print(part.content)
