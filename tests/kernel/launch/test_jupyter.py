"""Any Jupyter client gets our kernels through the provisioner."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from spatialclaw.kernel.launch.provisioner import KernelProvisioner, kernelspec

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(sys.platform != "linux", reason="the template needs Linux"),
]


@pytest.fixture
async def manager() -> AsyncIterator[AsyncKernelManager]:
    found = AsyncKernelManager()
    found._kernel_spec = kernelspec("strict")
    await found.start_kernel()
    yield found
    if found.has_kernel:
        await found.shutdown_kernel(now=True)


async def value(client: Any, expression: str) -> str:
    request = client.execute("", user_expressions={"v": expression})
    found = (await answer(client, request))["user_expressions"]["v"]
    return str(found.get("data", {}).get("text/plain", found.get("ename")))


async def answer(client: Any, request: str) -> dict[str, Any]:
    while True:
        reply = await client.get_shell_msg(timeout=20)
        if reply["parent_header"].get("msg_id") == request:
            return dict(reply["content"])


async def ready(manager: AsyncKernelManager) -> Any:
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    return client


def test_jupyter_finds_the_provisioner() -> None:
    assert KernelProvisionerFactory.instance().is_provisioner_available(kernelspec())


async def test_a_stock_manager_starts_interrupts_and_restarts(manager: AsyncKernelManager) -> None:
    assert isinstance(manager.provisioner, KernelProvisioner)
    assert "seccomp" in manager.provisioner.launched.layers
    client = await ready(manager)
    try:
        assert await value(client, "6 * 7") == "42"
        code = "import time\nx = 1\nwhile True: time.sleep(0.01)"
        endless = client.execute(code, stop_on_error=False)
        await asyncio.sleep(0.3)
        await manager.interrupt_kernel()
        assert (await answer(client, endless))["status"] == "error"
        assert await value(client, "x") == "1"
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=30)
        assert await value(client, "x") == "NameError"
    finally:
        client.stop_channels()


async def test_a_death_is_seen_and_the_scratch_goes(manager: AsyncKernelManager) -> None:
    client = await ready(manager)
    scratch = manager.provisioner.layout.scratch
    client.execute("import os; os.kill(os.getpid(), 9)")
    for _ in range(200):
        if not await manager.is_alive():
            break
        await asyncio.sleep(0.02)
    assert not await manager.is_alive()
    assert manager.provisioner.launched.returncode == 128 + 9
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    assert not scratch.exists()
