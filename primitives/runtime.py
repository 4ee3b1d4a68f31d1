"""What the primitives know about the process they run in: the gateway and the display.

Outside a kernel both are absent and the primitives still work: `publish` prints a line, and
what needs the host raises `Unavailable`.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialclaw.primitives.errors import Unavailable
from spatialclaw.primitives.gateway import Client

if TYPE_CHECKING:
    from spatialclaw.primitives.frames import Frames

__all__ = [
    "SHOWN_TYPE",
    "SUBMIT_TYPE",
    "client",
    "connect",
    "frames_of_host",
    "in_kernel",
    "publish",
    "use_client",
]

SHOWN_TYPE = "application/vnd.spatialclaw.shown+json"
SUBMIT_TYPE = "application/vnd.spatialclaw.submit+json"

_client: Client | None = None


def connect(path: str | None) -> None:
    """Says where the host's gateway is; None: there is none."""
    global _client
    _client = Client(path) if path else None


def use_client(client: Any) -> None:
    """Lets something else answer what cells ask the host: a record, or this process itself.

    Args:
        client: With the methods `call` and `call_with_files` of `Client`.
    """
    global _client
    _client = client


def client() -> Client:
    """The connection to the host.

    Raises:
        Unavailable: There is no host to ask.
    """
    if _client is None:
        raise Unavailable(
            "there is no host to ask", hint="run this in a session: spatialclaw.Session(...)"
        )
    return _client


def in_kernel() -> bool:
    """Whether this code runs in a Jupyter kernel."""
    module = sys.modules.get("IPython.core.interactiveshell")
    shell = module.InteractiveShell._instance if module is not None else None
    return shell is not None and hasattr(shell, "kernel")


def publish(bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
    """Sends a display message: media type -> text or JSON.

    Outside a kernel the text/plain part is printed instead.
    """
    if in_kernel():
        from IPython.core.interactiveshell import InteractiveShell

        InteractiveShell.instance().display_pub.publish(bundle, metadata or {})
    elif "text/plain" in bundle:
        sys.stdout.write(bundle["text/plain"] + "\n")


def frames_of_host(manifest: dict[str, Any], fd: int) -> list[Frames]:
    """Maps an array file that the host handed over as a descriptor; closes the descriptor."""
    from spatialclaw.primitives.frames import map_frames

    try:
        size = os.fstat(fd).st_size
        blob = (
            np.frombuffer(mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ), dtype=np.uint8)
            if size
            else np.zeros(0, np.uint8)
        )
    finally:
        os.close(fd)
    return map_frames(manifest, blob)
