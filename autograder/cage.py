"""What a process does to itself before a student's code runs in it. Linux only; runs inside the sandbox of `sandbox.py`.

Every answer gets namespaces of its own: a process tree in which it is process 1, so that all it starts ends with it and it
can name no process but its own; no network; a fresh scratch folder in memory; and, after that, no capability to undo any of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
from pathlib import Path

NOBODY = 65534
SCRATCH = "/scratch"
MEGABYTE = 1 << 20
MAX_MEMORY = 4096 * MEGABYTE
MAX_SCRATCH = 256 * MEGABYTE
MAX_FILE = 64 * MEGABYTE
MAX_FILES = 1024
MAX_PROCESSES = 32

NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 24, 38, 47
_libc = ctypes.CDLL(None, use_errno=True)


def leave_root() -> None:
    """A grader who is root starts the worker as root: become nobody for good, so that limits hold."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # else the next step may not write its own uid_map


def nest() -> int:
    """Run the rest of this program as process 1 of a process tree of its own, in which it may make more of them.

    Returns:
        A descriptor of that tree, for `new_tree`.
    """
    _new_user(NEW_PID)
    child = os.fork()
    if child:  # does nothing but wait, with nothing in its memory
        os._exit(abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
    return os.open("/proc/self/ns/pid", os.O_RDONLY)


def new_tree(ours: int) -> None:
    """The next child of this process is process 1 of a process tree of its own, below `ours`."""
    _call("setns", ours, NEW_PID)  # else it would become part of the last one
    _call("unshare", NEW_PID)


def confine() -> None:
    """In that child: namespaces of its own, a scratch folder, no /proc, limits, and no capabilities any more."""
    Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this process is the one to go
    _new_user(NEW_NS | NEW_IPC | NEW_NET | NEW_UTS)
    with contextlib.suppress(OSError):  # read-only where the grader is root
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    _tmpfs(SCRATCH, f"size={MAX_SCRATCH},nr_inodes=5000,mode=0700")
    if not any(
        place.startswith("/tmp/") for place in (*sys.path, sys.executable)
    ):  # else Python itself lies there, read-only
        _tmpfs("/tmp", f"size={MAX_SCRATCH},nr_inodes=5000,mode=0700")
    _tmpfs("/dev/shm", f"size={MAX_SCRATCH},nr_inodes=1000,mode=0700")
    _call("mount", b"devpts", b"/dev/pts", b"devpts", MS_NOSUID, b"newinstance,ptmxmode=0666,mode=0620")
    _tmpfs("/proc", "size=4096,nr_inodes=2,mode=0555")
    _call("mount", b"none", b"/proc", None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, None)
    os.chdir(SCRATCH)
    limit()
    _drop_capabilities()
    _filter_calls()


def _new_user(flags: int) -> None:
    """New namespaces, and a user namespace that they belong to, with this process's user and group alone."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", NEW_USER | flags)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def limit() -> None:
    """Limits on memory, processes, files and their size."""
    limits = {"DATA": MAX_MEMORY, "FSIZE": MAX_FILE, "NOFILE": MAX_FILES, "SIGPENDING": 256, "CORE": 0}
    if tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (5, 14):
        limits["NPROC"] = MAX_PROCESSES  # older kernels would count all of the user's processes
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def memory_in_use() -> int:
    """Bytes of memory that all processes in the sandbox have together and do not share with this one, from which they are forked."""
    shared, total = _resident("self"), 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            total += max(0, _resident(entry) - shared)
    return total


def _resident(process: str) -> int:
    """Bytes of memory of one process that belong to no file."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def _tmpfs(place: str, options: str) -> None:
    _call("mount", b"tmpfs", place.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options.encode())


def _drop_capabilities() -> None:
    """Empty all capability sets of this thread, and let no program that it starts have any."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            break  # the kernel knows no more of them
    _libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version_3, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _call("capset", version_3, none)


CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""For each kind of processor: what a filter knows it by, and the number of the call `socket`."""
FORBIDDEN = {
    "x86_64": (29, 101, 134, 155, 161, 163, 165, 166, 167, 169, 175, 176, 246, 248, 249, 250, 272, 298, 304, 308, 313, 320, 321, 323, 425, 428,
               429, 430, 431, 432, 433, 442),
    "aarch64": (39, 40, 41, 51, 89, 97, 104, 105, 106, 117, 142, 194, 217, 218, 219, 224, 241, 265, 268, 273, 280, 282, 294, 425, 428, 429, 430,
                431, 432, 433, 442),
}  # fmt: skip
"""shmget (its memory is nobody's), ptrace, mounts and roots, acct, swapon, reboot, modules, kexec, keyrings (they are not in any namespace), unshare, setns, perf, file
handles, bpf, userfaultfd, io_uring."""
FAMILIES = (1, 2, 10, 16)
"""Sockets of Unix, IPv4, IPv6 and netlink, which have namespaces; vsock reaches the machine that this one is a guest of."""
BPF_LOAD, BPF_EQUAL, BPF_AT_LEAST, BPF_RETURN, ALLOW, REFUSE = 0x20, 0x15, 0x35, 0x06, 0x7FFF0000, 0x00050001


def _filter_calls() -> None:
    """Refuse, with EPERM, system calls that no answer needs, here and in all that is started from here (seccomp)."""
    kind, words = platform.machine(), []
    if kind not in CALLS:
        raise OSError(f"there is no filter of system calls for this kind of processor, {kind}")
    machine, sockets = CALLS[kind]
    checks = [(BPF_EQUAL, number) for number in FORBIDDEN[kind]]
    checks += [(BPF_AT_LEAST, 0x40000000)] if kind == "x86_64" else []  # the same calls by other numbers
    refused = len(checks) + len(FAMILIES) + 5  # the place of the line that refuses; the next one allows
    for code, jump_if, jump_else, value in [
        (BPF_LOAD, 0, 0, 4),
        (BPF_EQUAL, 0, refused - 2, machine),
        (BPF_LOAD, 0, 0, 0),
        *[(code, refused - place - 4, 0, number) for place, (code, number) in enumerate(checks)],
        (BPF_EQUAL, 0, len(FAMILIES) + 2, sockets),
        (BPF_LOAD, 0, 0, 16),
        *[(BPF_EQUAL, len(FAMILIES) - place, 0, family) for place, family in enumerate(FAMILIES)],
        (BPF_RETURN, 0, 0, REFUSE),
        (BPF_RETURN, 0, 0, ALLOW),
    ]:
        words.append(struct.pack("HBBI", code, jump_if, jump_else, value))
    program = ctypes.create_string_buffer(b"".join(words))
    length_and_place = struct.pack("HP", len(words), ctypes.addressof(program))
    _call("prctl", PR_SET_SECCOMP, 2, length_and_place, 0, 0)


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library; OSError if it says no."""
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def main() -> None:
    """Do all of it once, and say what does not work: the test that `sandbox.problem` runs."""
    leave_root()
    new_tree(nest())
    child = os.fork()
    if child == 0:
        try:
            confine()
        except OSError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
