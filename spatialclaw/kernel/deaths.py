"""Why a process ended, in words."""

from __future__ import annotations

import signal

from spatialclaw.errors import KernelDied
from spatialclaw.kernel.life import Exit

__all__ = ["describe_exit"]

_WORDS = {
    signal.SIGSEGV: "it crashed in native code",
    signal.SIGABRT: "a native library gave up",
    signal.SIGBUS: "it read memory that is not there",
    signal.SIGFPE: "native arithmetic failed",
    signal.SIGILL: "it ran an instruction this processor lacks",
    signal.SIGXCPU: "its processor time was used up",
    signal.SIGXFSZ: "it wrote a file larger than allowed",
    signal.SIGSYS: "it made a system call that is not allowed",
}


def describe_exit(ending: Exit) -> KernelDied:
    """The error for a kernel whose process ended."""
    if ending.code >= 0:
        return KernelDied(
            f"the kernel's process ended with exit code {ending.code}", exit_code=ending.code
        )
    number = -ending.code
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    said = f"{ending.err.get('head', '')}{ending.err.get('tail', '')}"
    if number == signal.SIGKILL:
        why = "likely out of memory, or somebody killed it"
    elif number == signal.SIGABRT and ("bad_alloc" in said or "memory" in said.lower()):
        why = "a native library ran out of memory"
    else:
        try:
            why = _WORDS.get(signal.Signals(number), "")
        except ValueError:
            why = ""
    return KernelDied(
        f"the kernel was killed by {name}{f': {why}' if why else ''}",
        signal=number,
    )
