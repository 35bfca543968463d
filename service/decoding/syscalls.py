"""What a decoder may not ask of the kernel, whatever code runs in it: a seccomp filter.

The limits of `service.decoding.confine` leave no descriptor to open anything with; but code that a
crafted video smuggled in could close one first. With this filter a process opens no file, no
connection, starts no program or process, and touches no other one.

The numbers are those of Linux's tables for x86-64 and arm64; the program is one of classic BPF, as
the kernel's ``Documentation/userspace-api/seccomp_filter.rst`` describes it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_DENIED: dict[str, tuple[int | None, int | None]] = {
    # Files.
    **{"open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None)},
    **{"open_by_handle_at": (304, 265), "memfd_create": (319, 279), "truncate": (76, 45)},
    **{"unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None), "chdir": (80, 49)},
    **{"rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "chroot": (161, 51)},
    **{"mkdir": (83, None), "mkdirat": (258, 34), "mknod": (133, None), "mknodat": (259, 33)},
    **{"link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36)},
    **{"chmod": (90, None), "fchmodat": (268, 53), "chown": (92, None), "fchownat": (260, 54)},
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "getdents64": (217, 61)},
    # Connections, and descriptors of others.
    **{"socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200)},
    **{"listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "sendmsg": (46, 211)},
    **{"sendto": (44, 206), "recvmsg": (47, 212), "sendmmsg": (307, 269), "recvmmsg": (299, 243)},
    **{"pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "io_uring_setup": (425, 425)},
    # Programs and other processes.
    **{"execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None)},
    **{"kill": (62, 129), "tkill": (200, 130), "ptrace": (101, 117), "setns": (308, 268)},
    **{"rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "unshare": (272, 97)},
    **{"pidfd_send_signal": (424, 424), "process_madvise": (440, 440)},
    **{"process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    # What lies deep in the kernel and no decoder has use for.
    **{"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282)},
    **{"keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218)},
    **{"init_module": (175, 105), "finit_module": (313, 273), "kexec_load": (246, 104)},
    **{"shmget": (29, 194), "shmat": (30, 196), "mq_open": (240, 180), "msgget": (68, 186)},
}
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column above and the kernel's name for the architecture."""
_CLONE, _CLONE3, _TGKILL, _PRLIMIT = (56, 220), (435, 435), (234, 131), (302, 261)
_CLONE_THREAD = 0x10000
_FOREIGN_TABLE = 0x40000000  # x32 calls of x86-64

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_KILL, _FAIL, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid() -> bool:
    """Put the filter on this process, for good; False where the kernel or the machine has none.

    ``PR_SET_NO_NEW_PRIVS`` must be set, and no other thread may run yet.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    packed = b"".join(struct.pack("=HBBI", *one) for one in _program(*machine, os.getpid()))
    program = _Program(len(packed) // 8, packed)
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)
    return bool(done == 0)


def _program(column: int, architecture: int, pid: int) -> list[Instruction]:
    refuse = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    kill = (_RETURN, 0, 0, _KILL)
    lines: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        *((_EQUAL, 1, 0, architecture), kill),
        (_LOAD, 0, 0, _NUMBER),
        *((_AT_LEAST, 0, 1, _FOREIGN_TABLE), kill),
    ]
    for numbers in _DENIED.values():
        if (number := numbers[column]) is not None:
            lines += [(_EQUAL, 0, 1, number), refuse]
    # The C library then makes its threads with `clone`, whose flags can be looked at.
    lines += [(_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    for number, test, operand in (
        (_CLONE[column], _ANY_BIT, _CLONE_THREAD),
        (_TGKILL[column], _EQUAL, pid),
        (_PRLIMIT[column], _EQUAL, 0),
    ):
        lines += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
        lines += [(test, 0, 1, operand), allow, refuse]
    return [*lines, allow]
