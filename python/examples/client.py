"""A gate that runs elsewhere: `portcullis dev` starts one to try, and prints the address and a key.

PORTCULLIS_URL=http://127.0.0.1:8787 PORTCULLIS_API_KEY=pk_... python client.py
"""

from portcullis import Portcullis, SafetyViolation


def refund(charge: str, amount: float) -> str:
    """Pays money back."""
    return f"refunded {amount} of {charge}"


with Portcullis() as gate:
    for amount in (20, 5_000):
        try:
            args = {"charge": "ch_1", "amount": amount}
            print(gate.execute("support-bot", "stripe.refund", refund, args=args, user="carol"))
        except SafetyViolation as refused:
            print(f"refused ({refused.code}): {refused}")
