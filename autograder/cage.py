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
MAX_FILES = 256
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
    """Bytes of memory that belong to no file, and of page tables, of all processes in the sandbox but this one.

    What processes share is counted for each of them, which is quick; only if that is too much, it is counted once (Pss).
    """
    processes = {entry for entry in os.listdir("/proc") if entry.isdigit()} - {os.readlink("/proc/self")}
    total = sum(_memory(process, shared=False) for process in processes)
    return total if total <= MAX_MEMORY else sum(_memory(process, shared=True) for process in processes)


def _memory(process: str, shared: bool) -> int:
    """That of one process, by any thread of it that has not ended; where shares cannot be told, as if there were none."""
    with contextlib.suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{process}/task"):
            found = _figures(f"/proc/{thread}/status")
            with contextlib.suppress(OSError):  # it has made itself unreadable
                portions = _figures(f"/proc/{thread}/smaps_rollup") if shared else {}
                if "Pss_Anon" in portions:  # since Linux 5.3
                    found = {**portions, "VmPTE": found.get("VmPTE", 0)}
            if used := sum(found.get(name, 0) for name in IN_MEMORY):
                return used
    return 0


IN_MEMORY = ("RssAnon", "RssShmem", "VmSwap", "VmPTE", "Pss_Anon", "Pss_Shmem", "SwapPss")
COUNTED = {name.encode() for name in IN_MEMORY}


def _figures(file: str) -> dict[str, int]:
    """The lines of a file in /proc that count. (Only a newline ends one: the name that a process has chosen may hold \\r and the like.)"""
    lines = (line.partition(b":") for line in Path(file).read_bytes().split(b"\n"))
    return {name.decode(): int(size.split()[0]) * 1024 for name, _, size in lines if name in COUNTED}


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


CALLS = {"x86_64": (0xC000003E, 41, 9), "aarch64": (0xC00000B7, 198, 222)}
"""For each kind of processor: what a filter knows it by, and the numbers of the calls `socket` and `mmap`."""
FORBIDDEN = {
    "x86_64": (29, 64, 68, 101, 134, 155, 161, 163, 165, 166, 167, 169, 175, 176, 246, 248, 249, 250, 272, 298, 304, 308, 313, 319, 320, 321, 323,
               425, 428, 429, 430, 431, 432, 433, 442, 444, 447),
    "aarch64": (39, 40, 41, 51, 89, 97, 104, 105, 106, 117, 142, 186, 190, 194, 217, 218, 219, 224, 241, 265, 268, 273, 279, 280, 282,
                294, 425, 428, 429, 430, 431, 432, 433, 442, 444, 447),
}  # fmt: skip
"""shmget, semget, msgget, memfd_create, memfd_secret, landlock (their memory is counted for no process), ptrace, mounts and roots, acct, swapon, reboot, modules, kexec,
keyrings (they are not in any namespace), unshare, setns, perf, file handles, bpf, userfaultfd, io_uring."""
FAMILIES = (1, 2, 10, 16)
"""Sockets of Unix, IPv4, IPv6 and netlink, which have namespaces; vsock reaches the machine that this one is a guest of."""
SHARED_WITHOUT_FILE = 0x21
"""MAP_SHARED and MAP_ANONYMOUS: such memory stays when it is unmapped in part, and is then counted for no process."""
BPF_LOAD, BPF_AND, BPF_EQUAL, BPF_AT_LEAST, BPF_RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050001


def _filter_calls() -> None:
    """Refuse, with EPERM, system calls that no answer needs, here and in all that is started from here (seccomp)."""
    kind, words = platform.machine(), []
    if kind not in CALLS:
        raise OSError(f"there is no filter of system calls for this kind of processor, {kind}")
    machine, sockets, mmap = CALLS[kind]
    forbidden = [(BPF_EQUAL, number, "refuse", "") for number in FORBIDDEN[kind]]
    if kind == "x86_64":
        forbidden.append((BPF_AT_LEAST, 0x40000000, "refuse", ""))  # the same calls by other numbers
    lines = [  # what to do, with which value, and where to go on if it is true and if not (if not said: at the next line)
        (BPF_LOAD, 4, "", ""),
        (BPF_EQUAL, machine, "", "refuse"),
        (BPF_LOAD, 0, "", ""),
        *forbidden,
        (BPF_EQUAL, mmap, "", "no mmap"),
        (BPF_LOAD, 40, "", ""),  # its fourth argument
        (BPF_AND, SHARED_WITHOUT_FILE, "", ""),
        (BPF_EQUAL, SHARED_WITHOUT_FILE, "refuse", "allow"),
        "no mmap",
        (BPF_EQUAL, sockets, "", "allow"),
        (BPF_LOAD, 16, "", ""),
        *((BPF_EQUAL, family, "allow", "") for family in FAMILIES),
        "refuse",
        (BPF_RETURN, REFUSE, "", ""),
        "allow",
        (BPF_RETURN, ALLOW, "", ""),
    ]
    names = [(place, line) for place, line in enumerate(lines) if isinstance(line, str)]
    places = {name: place - earlier for earlier, (place, name) in enumerate(names)}
    for code, value, *jumps in (line for line in lines if not isinstance(line, str)):
        here = len(words) + 1
        words.append(struct.pack("HBBI", code, *(places.get(jump, here) - here for jump in jumps), value))
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
