"""CrewAI: tools behind the gate; give them to an `Agent`."""

from pathlib import Path

from crewai.tools import tool

from portcullis import Gate
from portcullis.adapters.crewai import guarded


@tool("refund")
def refund(amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount}"


gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"))
(safe,) = guarded([refund], gate, "support-bot", names={"refund": "stripe.refund"})
print(safe.run(amount=20))
print(safe.run(amount=5_000))
