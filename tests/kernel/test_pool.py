"""Warm kernels."""

from __future__ import annotations

import asyncio
import os
import time

import psutil
import pytest

from spatialclaw.kernel import Gateway, Kernel, KernelOptions, KernelPool

pytestmark = pytest.mark.kernel


async def test_a_warm_kernel_becomes_that_of_the_run() -> None:
    async with KernelPool(size=1) as pool:
        await pool.filled()
        assert pool.ready == 1
        gateway = Gateway()
        kernel = await pool.get(KernelOptions(question="How far?", gateway=gateway))
        assert pool.ready == 0
        assert (await kernel.execute("question")).result == "'How far?'"
        assert gateway.calls == 1  # the set-up, from this run's gateway
        await kernel.aclose()
        await asyncio.sleep(0.1)
        await pool.filled()
        assert pool.ready == 1


async def test_one_kernel_is_never_given_twice() -> None:
    async with KernelPool(size=2) as pool:
        await pool.filled()
        kernels = await asyncio.gather(*(pool.get(KernelOptions()) for _ in range(4)))
        assert len({kernel.pid for kernel in kernels}) == 4
        await asyncio.gather(*(kernel.aclose() for kernel in kernels))


async def test_other_confinement_is_not_served_from_the_pool() -> None:
    async with KernelPool(KernelOptions(confine="strict"), size=1) as pool:
        await pool.filled()
        kernel = await pool.get(KernelOptions(confine="process"))
        assert pool.ready == 1
        assert (await kernel.execute("1")).ok
        await kernel.aclose()


async def test_a_warm_kernel_that_died_is_replaced() -> None:
    async with KernelPool(size=1) as pool:
        await pool.filled()
        (waiting,) = pool._ready
        assert waiting._tree is not None
        waiting._tree.launched.kill()
        await asyncio.sleep(0.3)
        kernel = await pool.get(KernelOptions())
        assert (await kernel.execute("1 + 1")).result == "2"
        await kernel.aclose()


async def test_a_closed_pool_leaves_nothing() -> None:
    me = psutil.Process()
    async with KernelPool(size=1) as pool:
        await pool.filled()
    before = len(me.children(recursive=True))
    async with KernelPool(size=3, starts=2) as pool:
        await asyncio.sleep(0.05)  # closed while they start
    until = time.monotonic() + 10
    while len(me.children(recursive=True)) > before and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.1)  # the template readies its next fork
    assert len(me.children(recursive=True)) <= before


@pytest.mark.slow
async def test_sixty_four_kernels_five_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialclaw.kernel.folders.PREFIX", "sc-test64-")
    me = psutil.Process()
    slots = asyncio.Semaphore(8)

    async def start() -> Kernel:
        async with slots:
            return await Kernel.start(KernelOptions(start_seconds=120))

    first = await start()
    await first.aclose()
    descriptors = me.num_fds()
    children = len(me.children(recursive=True))
    for _ in range(5):
        kernels = await asyncio.gather(*(start() for _ in range(64)))
        results = await asyncio.gather(*(k.execute("x = 6 * 7; x") for k in kernels))
        assert [r.result for r in results] == ["42"] * 64
        await asyncio.gather(*(k.aclose() for k in kernels))
    assert me.num_fds() <= descriptors + 2
    assert len(me.children(recursive=True)) <= children
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("sc-test64-")]
