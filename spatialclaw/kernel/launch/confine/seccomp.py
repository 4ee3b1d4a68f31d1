"""seccomp: the system calls that a kernel has no use for are refused.

A small classic BPF program, assembled here, so that no library of the machine is needed. It refuses
by list; what is newer than the newest system call known here does not exist (ENOSYS). Programs of
another architecture (32-bit calls, x32) are killed or refused.

Sockets: only the Unix family. Threads and processes: yes; new namespaces: no.
Numbers: ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from spatialclaw.kernel.launch.confine import libc

__all__ = ["REFUSED", "load", "program", "supported"]

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NEWEST = 462  # mseal

_X86 = {
    "acct": 163, "add_key": 248, "adjtimex": 159, "bpf": 321, "capset": 126, "chroot": 161,
    "clock_adjtime": 305, "clock_settime": 227, "create_module": 174, "delete_module": 176,
    "fanotify_init": 300, "finit_module": 313, "init_module": 175, "ioperm": 173, "iopl": 172,
    "kcmp": 312, "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250, "lookup_dcookie": 212,
    "memfd_create": 319, "migrate_pages": 256, "modify_ldt": 154, "mount": 165, "move_pages": 279,
    "name_to_handle_at": 303, "nfsservctl": 180, "open_by_handle_at": 304, "perf_event_open": 298,
    "personality": 135, "pivot_root": 155, "process_vm_readv": 310, "process_vm_writev": 311,
    "ptrace": 101, "query_module": 178, "quotactl": 179, "reboot": 169, "request_key": 249,
    "seccomp": 317, "setdomainname": 171, "setfsgid": 123, "setfsuid": 122, "setgid": 106,
    "setgroups": 116, "sethostname": 170, "setns": 308, "setregid": 114, "setresgid": 119,
    "setresuid": 117, "setreuid": 113, "settimeofday": 164, "setuid": 105, "shmget": 29,
    "swapoff": 168, "swapon": 167, "sysfs": 139, "syslog": 103, "umount2": 166, "unshare": 272,
    "uselib": 134, "userfaultfd": 323, "ustat": 136, "vhangup": 153, "_sysctl": 156,
}  # fmt: skip
_ARM = {
    "acct": 89, "add_key": 217, "adjtimex": 171, "bpf": 280, "capset": 91, "chroot": 51,
    "clock_adjtime": 266, "clock_settime": 112, "delete_module": 106, "fanotify_init": 262,
    "finit_module": 273, "init_module": 105, "kcmp": 272, "kexec_file_load": 294,
    "kexec_load": 104, "keyctl": 219, "lookup_dcookie": 18, "memfd_create": 279,
    "migrate_pages": 238, "mount": 40, "move_pages": 239, "name_to_handle_at": 264,
    "open_by_handle_at": 265, "perf_event_open": 241, "personality": 92, "pivot_root": 41,
    "process_vm_readv": 270, "process_vm_writev": 271, "ptrace": 117, "quotactl": 60,
    "reboot": 142, "request_key": 218, "seccomp": 277, "setdomainname": 162, "setfsgid": 152,
    "setfsuid": 151, "setgid": 144, "setgroups": 159, "sethostname": 161, "setns": 268,
    "setregid": 143, "setresgid": 149, "setresuid": 147, "setreuid": 145, "settimeofday": 170,
    "setuid": 146, "shmget": 194, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39,
    "unshare": 97, "userfaultfd": 282, "vhangup": 58,
}  # fmt: skip
_BOTH = {
    "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "listmount": 458, "memfd_secret": 447,
    "mount_setattr": 442, "move_mount": 429, "open_tree": 428, "pidfd_getfd": 438,
    "process_madvise": 440, "process_mrelease": 448, "quotactl_fd": 443, "statmount": 457,
}  # fmt: skip

REFUSED: dict[str, dict[str, int]] = {
    "x86_64": {**_X86, **_BOTH},
    "aarch64": {**_ARM, **_BOTH},
}
"""Machine -> system call -> number: refused whatever the arguments (EPERM)."""

_CHECKED = {
    "x86_64": {"socket": 41, "socketpair": 53, "clone": 56, "ioctl": 16},
    "aarch64": {"socket": 198, "socketpair": 199, "clone": 220, "ioctl": 29},
}
_CLONE3 = 435
_AF_UNIX = 1
_TERMINAL = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD: typing into terminals

_LOAD, _JEQ, _JGT, _JSET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARG0, _ARG1 = 0, 4, 16, 24


def supported(machine: str = libc.MACHINE) -> bool:
    """Whether the numbers of this machine are known."""
    return machine in REFUSED


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int) -> bytes:
    return _line(_RETURN, _ERRNO | number)


def program(machine: str = libc.MACHINE) -> bytes:
    """The BPF program.

    Raises:
        OSError: The machine's numbers are not known.
    """
    if not supported(machine):
        raise OSError(errno.ENOSYS, f"no seccomp filter for {machine}")
    numbers = _CHECKED[machine]
    code = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_JEQ, _ARCH[machine], 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
        _line(_JGT, _NEWEST, 0, 1),  # x32 calls are above it too
        _refuse(errno.ENOSYS),
        _line(_JEQ, _CLONE3, 0, 1),  # its flags are in memory, out of our sight: use clone
        _refuse(errno.ENOSYS),
    ]
    for number in sorted(REFUSED[machine].values()):
        code += [_line(_JEQ, number, 0, 1), _refuse(errno.EPERM)]
    for name in ("socket", "socketpair"):
        code += [
            _line(_JEQ, numbers[name], 0, 4),
            _line(_LOAD, _ARG0),
            _line(_JEQ, _AF_UNIX, 1, 0),
            _refuse(errno.EACCES),
            _line(_RETURN, _ALLOW),
        ]
    code += [
        _line(_JEQ, numbers["clone"], 0, 4),
        _line(_LOAD, _ARG0),
        _line(_JSET, libc.CLONE_ALL, 0, 1),
        _refuse(errno.EPERM),
        _line(_RETURN, _ALLOW),
    ]
    code += [_line(_JEQ, numbers["ioctl"], 0, 1 + 2 * len(_TERMINAL)), _line(_LOAD, _ARG1)]
    for request in _TERMINAL:
        code += [_line(_JEQ, request, 0, 1), _refuse(errno.EPERM)]
    code.append(_line(_RETURN, _ALLOW))
    return b"".join(code)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def load() -> None:
    """Puts the filter in force for this thread and all that it starts; sets no_new_privs.

    Raises:
        OSError: The machine has no seccomp, or its system calls are not known here.
    """
    lines = program()
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    record = _Program(len(lines) // 8, lines)
    set_seccomp, filter_mode = 22, 2
    libc.prctl(set_seccomp, filter_mode, ctypes.addressof(record))
