"""A tool-call loop of one's own (OpenAI's or Anthropic's SDK): the response here is as Anthropic's API sends it."""

from pathlib import Path

from portcullis import Gate
from portcullis.adapters.tool_loops import guard_tool_calls


def refund(amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount}"


response = {
    "id": "msg_1",
    "content": [
        {"type": "tool_use", "id": "tu_1", "name": "refund", "input": {"amount": 20}},
        {"type": "tool_use", "id": "tu_2", "name": "refund", "input": {"amount": 5_000}},
    ],
}
gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
for call in guard_tool_calls(response, gate, "support-bot", session_id="s-1", names={"refund": "stripe.refund"}):
    print(call.run({"refund": refund}))
