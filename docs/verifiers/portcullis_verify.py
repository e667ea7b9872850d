"""Checks that a request was signed by a Portcullis gate, and signs the answer. Python 3.9 or newer, nothing else.

    verifier = Verifier(secret)
    try:
        nonce = verifier.check(method, path_with_query, headers, body)
    except Unsigned as why:
        return 401
    ...
    headers["Portcullis-Signature"] = verifier.sign_answer(status, nonce, answer)   # only if the gate asks for it

It refuses times more than five minutes off, and nonces that it has seen. It remembers them in this process alone: with
several processes, give it a `seen` that they share (returns True if the nonce is new, and remembers it for `seconds`).
"""

import hashlib
import hmac
import re
import threading
import time
from typing import Callable, Dict, Mapping, Optional, Union


class Unsigned(Exception):
    """The request is not to be trusted; the text says why."""


class Memory:
    """Nonces of one process."""

    def __init__(self) -> None:
        self._until: Dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, nonce: str, seconds: float) -> bool:
        now = time.monotonic()
        with self._lock:
            if len(self._until) > 10_000:
                self._until = {it: until for it, until in self._until.items() if until > now}
            if self._until.get(nonce, 0) > now:
                return False
            self._until[nonce] = now + seconds
            return True


class Verifier:
    def __init__(
        self,
        secret: Union[str, bytes],
        seen: Optional[Callable[[str, float], bool]] = None,
        tolerance: int = 300,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret.encode() if isinstance(secret, str) else secret
        self._seen = seen or Memory()
        self._tolerance = tolerance
        self._clock = clock

    def check(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
        """The request's nonce. `path` with its query, as it came; `body` as it came, not parsed and written again."""
        lower = {name.lower(): value for name, value in headers.items()}
        sent = lower.get("portcullis-timestamp", "")
        nonce = lower.get("portcullis-nonce", "")
        given = lower.get("portcullis-signature", "")
        if not re.fullmatch(r"[0-9]{1,12}", sent) or not re.fullmatch(r"[0-9a-f]{32}", nonce):
            raise Unsigned("the request carries no signature")
        text = "\n".join([method.upper(), path, sent, nonce, hashlib.sha256(body).hexdigest()])
        if not hmac.compare_digest(self._mac(text).encode(), given.encode()):
            raise Unsigned("the signature is wrong")
        # Only what is signed is looked at: a stranger cannot fill the memory with nonces.
        if abs(self._clock() - int(sent)) > self._tolerance:
            raise Unsigned("the request is too old, or a clock is wrong")
        if not self._seen(nonce, 2 * self._tolerance):
            raise Unsigned("the request came before")
        return nonce

    def sign_answer(self, status: int, nonce: str, body: bytes) -> str:
        """The value of the answer's `Portcullis-Signature`."""
        return self._mac("\n".join(["response", str(status), nonce, hashlib.sha256(body).hexdigest()]))

    def _mac(self, text: str) -> str:
        return "v1=" + hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
