"""What `spatialclaw doctor` says of perception, without starting any of it."""

from __future__ import annotations

import socket

import pytest
from service_home import Home, query

from spatialclaw.checks import Check, _perception
from spatialclaw.config import resolve_settings
from spatialclaw.perception import starting
from spatialclaw.perception.client import LocalClient, Shared


def lines(environ: dict[str, str] | None = None) -> dict[str, Check]:
    return {check.name: check for check in _perception(resolve_settings(environ=environ or {}))}


async def test_not_running_then_running_with_what_is_loaded(
    own_home: Home, shared: list[Shared]
) -> None:
    before = lines()
    assert before["service"].detail.startswith("not running")
    assert before["cache"].detail.startswith("0 results, 0 B of ")
    assert before["models"].remedy
    assert starting.status() is None
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    await client.aclose()
    after = lines()
    assert "loaded: test-edges on cpu" in after["service"].detail
    assert str(own_home.cache) in after["cache"].detail


def test_a_server_that_is_away_is_told_with_what_to_do(own_home: Home) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    found = lines({"SPATIALCLAW_PERCEPTION_URL": url})[url]
    assert found.state == "no"
    assert "spatialclaw serve" in found.remedy


def test_a_setting_that_is_no_number(own_home: Home) -> None:

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPATIALCLAW_PERCEPTION_CACHE_SIZE", "much")
        found = lines()["service"]
    assert found.state == "no"
    assert "SPATIALCLAW_PERCEPTION_CACHE_SIZE='much'" in found.detail
