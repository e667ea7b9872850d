"""What takes long to import and is not needed by everyone: imported at its first use."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["asyncio", "new_id"]


def asyncio() -> Any:
    """The module `asyncio`."""
    import asyncio as found

    return found


def new_id() -> str:
    """A random id, 128 bits in the form of a UUID."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
