"""Chooses who writes the cells, and says why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.backends.base import Backend
from spatialclaw.errors import ConfigError

if TYPE_CHECKING:
    from spatialclaw.backends.openai import OpenAIOptions
    from spatialclaw.config import Settings

__all__ = ["LOCAL_PORTS", "LocalServer", "Resolution", "find_local_servers", "resolve"]

# vLLM, Ollama, LM Studio, llama.cpp, SGLang: the ports they take when nobody says otherwise.
LOCAL_PORTS = (8000, 11434, 1234, 8080, 30000)
PROBE_SECONDS = 0.6
OFFICIAL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class LocalServer:
    """An OpenAI-compatible server on this machine.

    Attributes:
        base_url: Its address.
        models: The names it lists.
    """

    base_url: str
    models: list[str]


@dataclass(frozen=True)
class Resolution:
    """A backend and why it was chosen.

    Attributes:
        backend: Who writes the cells.
        why: One line for the user.
    """

    backend: Backend
    why: str


async def resolve(
    settings: Settings,
    *,
    sources: Mapping[str, str] | None = None,
    ports: Sequence[int] = LOCAL_PORTS,
    cache: Path | None = None,
) -> Resolution:
    """Chooses the backend that the settings name, or for "auto" the first that there is.

    "auto" takes the endpoint that the settings or the environment name, else a local server that
    answers quickly on a well-known port of this machine, else the builtin planner.

    Args:
        settings: The settings.
        sources: Where each setting comes from, to say so.
        ports: Local ports to ask.
        cache: Folder in which what is learnt of endpoints is kept; by default in the user's cache.

    Raises:
        ConfigError: Unknown backend.
        RunError: The run to replay is none.
    """
    name = settings.backend
    if name == "auto":
        return await _auto(settings, dict(sources or {}), ports, cache)
    if name == "openai":
        return Resolution(_openai(settings, cache), f"{_address(settings)}, as asked")
    if name == "builtin":
        return Resolution(_builtin(settings), "the builtin planner, as asked")
    if name == "human":
        from spatialclaw.backends.human import HumanBackend

        return Resolution(HumanBackend(chat=_chat_beside(settings, cache)), "you, as asked")
    if name.startswith("replay:"):
        from spatialclaw.backends.replay import ReplayBackend

        path = name.removeprefix("replay:")
        return Resolution(ReplayBackend(path), f"the recorded run {path}")
    plugin = _plugin(name, settings)
    if plugin is not None:
        return Resolution(plugin, f"{name}, as asked")
    raise ConfigError(
        f"no backend {name!r}", hint="There are auto, openai, builtin, human and replay:RUN."
    )


async def find_local_servers(ports: Sequence[int] = LOCAL_PORTS) -> list[LocalServer]:
    """The OpenAI-compatible servers that answer on this machine, in the order of `ports`."""
    found = await asyncio.gather(*(_probe(port) for port in ports))
    return [server for server in found if server is not None]


async def _auto(
    settings: Settings, sources: dict[str, str], ports: Sequence[int], cache: Path | None
) -> Resolution:
    if settings.base_url:
        source = sources.get("base_url", "settings")
        return Resolution(_openai(settings, cache), f"{settings.base_url} (from {source})")
    if settings.api_key is not None:
        source = sources.get("api_key", "settings")
        return Resolution(_openai(settings, cache), f"{OFFICIAL} (a key from {source})")
    servers = await find_local_servers(ports)
    if servers:
        server = servers[0]
        model = settings.model or (server.models[0] if len(server.models) == 1 else None)
        changed = settings.model_copy(update={"base_url": server.base_url, "model": model})
        shown = f" with {model}" if model else ""
        return Resolution(
            _openai(changed, cache), f"the server on this machine at {server.base_url}{shown}"
        )
    return Resolution(
        _builtin(settings), "the builtin planner: no endpoint is set and no local server answers"
    )


def openai_options(settings: Settings) -> OpenAIOptions:
    """What the settings say about a server."""
    from spatialclaw.backends.openai import OpenAIOptions

    return OpenAIOptions(
        base_url=settings.base_url or OFFICIAL,
        model=settings.model,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        timeout=settings.request_timeout,
        max_retries=settings.max_retries,
        temperature=settings.temperature,
        seed=settings.seed,
        price_input=settings.price_input,
        price_output=settings.price_output,
    )


def _openai(settings: Settings, cache: Path | None) -> Backend:
    from spatialclaw.backends.capabilities import CapabilityStore
    from spatialclaw.backends.openai import OpenAIBackend, OpenAIChat

    if settings.max_cost is not None and (
        settings.price_input is None or settings.price_output is None
    ):
        raise ConfigError(
            "--max-cost needs prices to hold",
            hint="Set price_input and price_output (US dollars a million tokens), "
            "or cap tokens with max_tokens.",
        )
    store = CapabilityStore(cache or default_cache())
    options = openai_options(settings)
    addresses = [part.strip() for part in options.base_url.split(",") if part.strip()]
    chats = [OpenAIChat(replace(options, base_url=url), store=store) for url in addresses]
    if len(chats) == 1:
        return OpenAIBackend(chats[0])
    from spatialclaw.backends.pool import PoolChat

    return OpenAIBackend(PoolChat(chats))


def default_cache() -> Path:
    """Where what is learnt of endpoints is kept."""
    from platformdirs import user_cache_path

    return user_cache_path("spatialclaw") / "endpoints"


def _chat_beside(settings: Settings, cache: Path | None) -> Any:
    """The VLM for `locate` and `look` of a person's cells, where an endpoint is named."""
    if not settings.base_url and settings.api_key is None:
        return None
    return _openai(settings, cache).chat


def _builtin(settings: Settings) -> Backend:
    if settings.interface != "code":
        raise ConfigError(
            f"the builtin planner writes cells, and the interface is {settings.interface}",
            hint="Name a model's server with --base-url, or leave --interface out.",
        )
    from spatialclaw.backends.builtin import BuiltinBackend

    return BuiltinBackend()


def _plugin(name: str, settings: Settings) -> Backend | None:
    """A backend of another package: an entry point that takes the settings."""
    from importlib.metadata import entry_points

    for entry in entry_points(group="spatialclaw.backends", name=name):
        backend: Backend = entry.load()(settings)
        return backend
    return None


def _address(settings: Settings) -> str:
    return settings.base_url or OFFICIAL


async def _probe(port: int) -> LocalServer | None:
    """Asks one port of this machine for its models; None when it does not answer as it should."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(
                    f"GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n"
                    "Accept: application/json\r\nConnection: close\r\n\r\n".encode()
                )
                await writer.drain()
                answer = await reader.read(1_000_000)
                while chunk := await reader.read(1_000_000):
                    answer += chunk
                    if len(answer) > 4_000_000:
                        return None
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        return None
    try:
        start, end = body.index(b"{"), body.rindex(b"}")
        data = json.loads(body[start : end + 1])
    except ValueError:
        return None
    items = data.get("data") if isinstance(data, dict) else None
    if not isinstance(items, list):
        return None
    names = [str(item["id"]) for item in items if isinstance(item, dict) and item.get("id")]
    chat = [name for name in names if "embed" not in name.lower()]
    return LocalServer(f"http://127.0.0.1:{port}/v1", chat) if chat else None
