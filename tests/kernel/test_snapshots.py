"""Going back to an earlier state."""

from __future__ import annotations

import pytest

from spatialclaw.kernel import Kernel, KernelOptions

pytestmark = pytest.mark.kernel


async def test_restore_brings_back_any_object(kernel: Kernel) -> None:
    await kernel.execute(
        "import threading\n"
        "a = np.arange(5); d = {'x': [1]}; f = lambda: int(a.sum())\n"
        "lock = threading.Lock(); gen = (i for i in range(10)); next(gen)\n"
        "mesh = o3d.geometry.TriangleMesh.create_sphere()"
    )
    assert await kernel.snapshot("before") == ""
    await kernel.execute("a[0] = 100; d['x'].append(2); next(gen); del lock; mesh = None; new = 1")
    assert await kernel.restore("before") == ""
    result = await kernel.execute(
        "a.tolist(), d, f(), next(gen), lock.locked(), len(mesh.vertices), 'new' in globals()"
    )
    assert result.result == "([0, 1, 2, 3, 4], {'x': [1]}, 10, 1, False, 762, False)"


async def test_a_snapshot_stays_and_can_be_restored_again_and_again(kernel: Kernel) -> None:
    await kernel.execute("x = 1")
    await kernel.snapshot("one")
    for value in (2, 3, 4):
        await kernel.execute(f"x += {value}")
        assert await kernel.restore("one") == ""
        assert (await kernel.execute("x")).result == "1"
    await kernel.execute("x = 10")
    await kernel.snapshot("ten")
    await kernel.restore("one")
    assert (await kernel.execute("x")).result == "1"
    await kernel.restore("ten")
    result = await kernel.execute("x += 1; show(np.zeros((9, 9, 3), np.uint8)); print('out'); x")
    assert (result.result, result.stdout, len(result.images)) == ("11", "out\n", 1)
    assert [(v.name, v.change) for v in result.variables] == [("x", "changed")]


async def test_a_name_can_be_used_again(kernel: Kernel) -> None:
    await kernel.execute("x = 1")
    await kernel.snapshot("s")
    await kernel.execute("x = 2")
    await kernel.snapshot("s")
    await kernel.execute("x = 3")
    await kernel.restore("s")
    assert (await kernel.execute("x")).result == "2"
    with pytest.raises(KeyError):
        await kernel.restore("never taken")


async def test_numbers_differ_between_the_branches(kernel: Kernel) -> None:
    await kernel.snapshot("s")
    first = await kernel.execute("np.random.random()")
    await kernel.restore("s")
    second = await kernel.execute("np.random.random()")
    assert first.result != second.result


async def test_restore_after_the_kernel_died(kernel: Kernel) -> None:
    await kernel.execute("x = 5")
    await kernel.snapshot("s")
    died = await kernel.execute("import os; os._exit(1)")
    assert died.status == "died"
    assert await kernel.restore("s") in ("", "ran 1 cell again")
    assert (await kernel.execute("x")).result == "5"


async def test_threads_left_running_are_a_reason_to_run_the_cells_again(kernel: Kernel) -> None:
    await kernel.execute("x = [1]")
    await kernel.execute(
        "import threading, time\n"
        "t = threading.Thread(target=time.sleep, args=(60,), daemon=True, name='sleeper')\n"
        "t.start()"
    )
    why = await kernel.snapshot("s")
    assert "threads" in why
    assert "sleeper" in why
    await kernel.execute("x.append(2)")
    assert await kernel.restore("s") == "ran 2 cells again"
    assert (await kernel.execute("x")).result == "[1]"


async def test_the_oldest_is_dropped_and_had_again_by_running_cells() -> None:
    async with await Kernel.start(KernelOptions(max_snapshots=2)) as kernel:
        for number in range(4):
            await kernel.execute(f"x = {number}")
            assert await kernel.snapshot(f"s{number}") == ""
        assert await kernel.restore("s3") == ""
        assert await kernel.restore("s0") == "ran 1 cell again"
        assert (await kernel.execute("x")).result == "0"


async def test_a_branch_lives_on_its_own(kernel: Kernel) -> None:
    await kernel.execute("x = [1]")
    async with await kernel.branch() as branch:
        await branch.execute("x.append(2)")
        await kernel.execute("x.append(3)")
        assert (await branch.execute("x")).result == "[1, 2]"
        assert (await kernel.execute("x")).result == "[1, 3]"
        died = await branch.execute("import os; os._exit(1)")
        assert died.status == "died"
        assert (await kernel.execute("x")).result == "[1, 3]"
        assert (await branch.execute("1")).ok
    assert (await kernel.execute("x")).result == "[1, 3]"


async def test_a_branch_outlives_the_kernel_it_came_from() -> None:
    kernel = await Kernel.start(KernelOptions())
    await kernel.execute("x = 1")
    branch = await kernel.branch()
    await kernel.aclose()
    assert (await branch.execute("x")).result == "1"
    await branch.aclose()


async def test_a_failing_cell_leaves_the_state_as_it_was(transactional: Kernel) -> None:
    kernel = transactional
    await kernel.execute("x = [1]; a = np.zeros(1000)")
    result = await kernel.execute("x.append(2); a += 1; y = 5; raise ValueError('too late')")
    assert result.status == "error"
    assert result.error is not None
    assert result.error.name == "ValueError"
    assert "state unchanged since cell 1" in result.lost
    assert result.variables == []
    assert (await kernel.execute("x, a.sum(), 'y' in globals()")).result == (
        "([1], np.float64(0.0), False)"
    )


@pytest.mark.parametrize(
    "cell",
    [
        "x.append(2)\nwhile True: pass",
        "x.append(2)\nimport signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass",
        "x.append(2)\nimport os; os._exit(0)",
        "x.append(2)\nimport os; os.kill(os.getpid(), 11)",
    ],
    ids=["endless", "ignores interrupts", "exits", "crashes"],
)
async def test_a_cell_that_ends_badly_leaves_the_state_as_it_was(
    transactional: Kernel, cell: str
) -> None:
    kernel = transactional
    await kernel.execute("x = [1]")
    result = await kernel.execute(cell, timeout=0.5)
    assert result.status in ("timeout", "died")
    assert "state unchanged since cell 1" in result.lost
    assert (await kernel.execute("x")).result == "[1]"
    assert (await kernel.execute("x.append(3); x")).result == "[1, 3]"
    assert "state unchanged since cell 3" in (await kernel.execute("1/0")).lost
    assert (await kernel.execute("x")).result == "[1, 3]"


async def test_a_transaction_that_could_not_be_kept_says_so(transactional: Kernel) -> None:
    kernel = transactional
    await kernel.execute("x = 1")
    await kernel.execute(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"
    )
    result = await kernel.execute("x = 2; raise ValueError")
    assert "threads" in result.lost
    assert "run again" in result.lost
    assert (await kernel.execute("x")).result == "1"


async def test_an_open_file_survives(kernel: Kernel) -> None:
    await kernel.execute("f = open('notes.txt', 'w+'); f.write('hello'); f.flush()")
    assert await kernel.snapshot("s") == ""
    assert await kernel.restore("s") == ""
    assert (await kernel.execute("f.seek(0); f.read()")).result == "'hello'"


async def test_copies_that_hold_too_much_memory_are_dropped() -> None:
    options = KernelOptions(max_snapshot_bytes=150_000_000)
    async with await Kernel.start(options) as kernel:
        for number in range(5):  # each copy keeps an array that the kernel has replaced since
            await kernel.execute(f"a = np.full(10_000_000, {number}.0)")
            assert await kernel.snapshot(f"s{number}") == ""
        assert await kernel.restore("s4") == ""
        assert (await kernel.execute("a[0]")).result == "np.float64(4.0)"
        assert await kernel.restore("s0") == "ran 1 cell again"
        assert (await kernel.execute("a[0]")).result == "np.float64(0.0)"


async def test_files_of_an_undone_cell_stay_and_are_named(transactional: Kernel) -> None:
    assert (await transactional.execute("open('kept.txt', 'w').write('a'); x = 1")).ok
    result = await transactional.execute("open('new.txt', 'w').write('b')\nx = 2\n1 / 0")
    assert "state unchanged since cell 1, except for files that it wrote: new.txt" in result.lost
    result = await transactional.execute("1 / 0")
    assert result.lost.endswith("state unchanged since cell 1")
    result = await transactional.execute(
        "import os; print(x, sorted(n for n in os.listdir() if n.endswith('.txt')))"
    )
    assert result.stdout == "1 ['kept.txt', 'new.txt']\n"
    result = await transactional.execute("open('late.txt', 'w').write('b'); os._exit(3)")
    assert "files that it wrote stay" in result.lost
