"""Who writes the cells: any OpenAI-compatible server, the builtin planner, a record, a person."""

from __future__ import annotations

from spatialclaw.backends.base import (
    Backend,
    ChatClient,
    ChatReply,
    GiveUp,
    Message,
    Policy,
    Purpose,
    RunBound,
    RunContext,
)
from spatialclaw.backends.resolve import (
    LOCAL_PORTS,
    LocalServer,
    Resolution,
    find_local_servers,
    resolve,
)

__all__ = [
    "LOCAL_PORTS",
    "Backend",
    "ChatClient",
    "ChatReply",
    "GiveUp",
    "LocalServer",
    "Message",
    "Policy",
    "Purpose",
    "Resolution",
    "RunBound",
    "RunContext",
    "find_local_servers",
    "resolve",
]
