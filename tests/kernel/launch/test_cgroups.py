"""Control groups against a tree of folders that behaves as the kernel's does.

Machines that delegate a group are rare, this one may be none: `test_limits.py` has the test on the
real thing, which skips there. Here `mkdir` makes a group with its files, `rmdir` removes one that
holds no process, and a write to `cgroup.procs` moves a process.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from spatialclaw.kernel.launch.confine import cgroups
from spatialclaw.kernel.launch.confine.cgroups import Group, Place, home, why_not
from spatialclaw.kernel.launch.reaping import _groups

FILES = ("memory.max", "memory.swap.max", "pids.max", "cgroup.procs", "cgroup.kill")
REAL_MKDIR, REAL_RMDIR = Path.mkdir, Path.rmdir


class Tree:
    """A unified hierarchy in a folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cgroup"
        self.root.mkdir()
        self.place = Place(self.root, folder / "own")
        self.without: set[str] = set()

    def group(self, path: str, controllers: str, passed_on: str, processes: str = "") -> Path:
        group = self.root / path
        REAL_MKDIR(group, parents=True, exist_ok=True)
        (group / "cgroup.controllers").write_text(controllers)
        (group / "cgroup.subtree_control").write_text(passed_on)
        (group / "cgroup.procs").write_text(processes)
        return group

    def mkdir(self, path: Path) -> None:
        REAL_MKDIR(path)
        for name in set(FILES) - self.without:
            (path / name).write_text("")

    def rmdir(self, path: Path) -> None:
        if (path / "cgroup.kill").exists() and (path / "cgroup.kill").read_text():
            (path / "cgroup.procs").write_text("")
        if (path / "cgroup.procs").read_text().split():
            raise OSError(errno.EBUSY, "busy")
        shutil.rmtree(path)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(tmp_path)

    def ours(path: Path) -> bool:
        return path.is_relative_to(tree.root)

    def mkdir(self: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if ours(self):
            tree.mkdir(self)
        else:
            REAL_MKDIR(self, mode, parents, exist_ok)

    def rmdir(self: Path) -> None:
        if ours(self):
            tree.rmdir(self)
        else:
            REAL_RMDIR(self)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", rmdir)
    return tree


def delegated(tree: Tree) -> Path:
    """As systemd has it: our scope holds us, the slice above passes the controllers on."""
    above = tree.group("user.slice/app.slice", "cpu memory pids", "memory pids")
    tree.group("user.slice/app.slice/ours.scope", "memory pids", "", f"{os.getpid()}\n")
    tree.place.own.write_text("1:name=old:/\n0::/user.slice/app.slice/ours.scope\n")
    return above


def test_a_kernel_gets_a_group_beside_ours_and_it_goes(tree: Tree) -> None:
    above = delegated(tree)
    assert home(tree.place) == above
    group = Group(512 * 1024**2, 100, place=tree.place)
    assert group.path.parent == above
    assert (group.path / "memory.max").read_text() == str(512 * 1024**2)
    assert (group.path / "memory.swap.max").read_text() == "0"
    assert (group.path / "pids.max").read_text() == "100"
    group.add(4242)
    assert (group.path / "cgroup.procs").read_text() == "4242"
    group.remove()
    assert not group.path.exists()
    group.remove()  # twice is no error
    assert sorted(p.name for p in above.iterdir() if p.is_dir()) == ["ours.scope"]


def test_without_limits_nothing_is_written(tree: Tree) -> None:
    delegated(tree)
    group = Group(None, None, place=tree.place)
    assert [(group.path / name).read_text() for name in FILES[:3]] == ["", "", ""]
    group.remove()


def test_a_group_of_our_own_that_passes_controllers_on_is_used(tree: Tree) -> None:
    own = tree.group("ours", "memory pids", "memory pids")
    tree.place.own.write_text("0::/ours\n")
    assert home(tree.place) == own


def test_swap_that_is_not_counted_is_no_error_and_a_missing_limit_is(tree: Tree) -> None:
    above = delegated(tree)
    tree.without = {"memory.swap.max"}
    Group(1024, 5, place=tree.place).remove()
    tree.without = {"pids.max"}  # a limit that is not there must not pass for one
    with pytest.raises(OSError, match=r"pids\.max"):
        Group(1024, 5, place=tree.place)
    assert [p.name for p in above.iterdir() if p.is_dir()] == ["ours.scope"]


@pytest.mark.parametrize(
    ("own", "controllers", "passed_on"),
    [
        ("1:memory:/ours\n", "memory pids", "memory pids"),  # version 1
        ("", "memory pids", "memory pids"),
        ("0::/elsewhere\n", "memory pids", "memory pids"),
        ("0::/a/ours\n", "cpu io", "cpu io"),
        ("0::/a/ours\n", "memory pids", "cpu"),
    ],
)
def test_where_nothing_is_delegated(tree: Tree, own: str, controllers: str, passed_on: str) -> None:
    tree.group("a", controllers, passed_on)
    tree.group("a/ours", controllers, "")
    tree.place.own.write_text(own)
    assert home(tree.place) is None
    assert "single processes are limited" in why_not(tree.place)
    with pytest.raises(OSError, match="limited"):
        Group(1024, 5, place=tree.place)


def test_the_group_above_the_root_is_never_tried(tree: Tree) -> None:
    tree.group("", "memory pids", "")
    tree.place.own.write_text("0::/\n")
    (tree.root.parent / "cgroup.subtree_control").write_text("memory pids")
    (tree.root.parent / "cgroup.procs").write_text("")
    assert home(tree.place) is None


def test_a_group_that_may_not_be_made(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    delegated(tree)

    def refuse(_path: Path) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(tree, "mkdir", refuse)
    assert home(tree.place) is None
    assert "not delegated" in why_not(tree.place)


def test_groups_of_dead_owners_are_found_and_no_others(tree: Tree) -> None:
    above = delegated(tree)
    dead = above / "spatialclaw-999999999-abcd"
    mine = above / f"spatialclaw-{os.getpid()}-abcd"
    other = above / "spatialclaw-theirs"
    for group in (dead, mine, other):
        group.mkdir()
    (dead / "cgroup.procs").write_text("77")
    assert [item.what for item in _groups(False, tree.place)] == [str(dead)]
    (found,) = _groups(True, tree.place)
    assert found.ended
    assert not dead.exists()
    assert mine.exists()
    assert other.exists()


def test_this_machine_is_asked_at_its_own_place() -> None:
    assert Place(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")) == cgroups.MACHINE
