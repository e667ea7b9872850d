"""A policy file inside this process: what it refuses does not run."""

from pathlib import Path

from portcullis import ApprovalRequired, Gate, SafetyViolation

gate = Gate.from_policy(Path(__file__).with_name("portcullis.yaml"), agent="support-bot")


@gate.tool("stripe.refund")
def refund(charge: str, amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount} of {charge}"


with gate.session(user="carol"):
    print(refund("ch_1", 20))
    try:
        refund("ch_1", 5_000)
    except SafetyViolation as refused:
        print(f"refused ({refused.code}): {refused}")
    try:
        refund("ch_1", 500)
    except ApprovalRequired as asked:
        print(f"a person must agree: {asked.decision.approval_id}")
        gate.approve(asked.decision.approval_id, by="alice")
        args = {"charge": "ch_1", "amount": 500}
        print(gate.check("stripe.refund", args, approval_id=asked.decision.approval_id).code)
