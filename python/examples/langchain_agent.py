"""LangChain: every tool call of an agent through the gate. The model is scripted; put your own in its place."""

from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from portcullis import Gate
from portcullis.adapters.langchain import PortcullisMiddleware


class Scripted(GenericFakeChatModel):
    """A model that says what it was told to."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        """Takes any tools."""
        return self


@tool
def refund(amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount}"


def call(amount: float, id: str) -> AIMessage:
    return AIMessage(content="", tool_calls=[{"name": "refund", "args": {"amount": amount}, "id": id}])


gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
guard = PortcullisMiddleware(gate, "support-bot", user="carol", names={"refund": "stripe.refund"})
model = Scripted(messages=iter([call(20, "1"), call(5_000, "2"), AIMessage(content="done")]))
agent = create_agent(model, [refund], middleware=[guard])
for message in agent.invoke({"messages": [("user", "Give me my money back")]})["messages"]:
    if message.type == "tool":
        print(message.content)
