#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command as systemd would run a unit's, without systemd.

    as_unit.py --uid UID [--drop-in FILE] UNIT COMMAND [ARGUMENT...]

In a mount namespace of its own, where the unit's user has that number: runs
ExecStartPre=+ as root, makes the system read-only but for ReadWritePaths, and
becomes the unit's user with its ambient capabilities, bounding set and secure
bits, with no new privileges, and with its filters of system calls: by name,
by address family, by memory that can be written and run. What else a unit says
is not done here. Nothing outlives the command but what that changes.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import functools
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = -100, 0x8000, 1
SYS_MOUNT_SETATTR = 442
_libc = ctypes.CDLL(None, use_errno=True)


class Unit:
    """A unit with its drop-ins: an empty assignment drops those before it."""

    def __init__(self, *files: str | Path) -> None:
        self._values: dict[str, list[str]] = {}
        for file in files:
            for line in Path(file).read_text(encoding="utf-8").splitlines():
                line = line.strip()
                if not line or line[0] in "#;[":
                    continue
                key, value = (part.strip() for part in line.split("=", 1))
                if value:
                    self._values.setdefault(key, []).append(value)
                else:
                    self._values[key] = []

    def all(self, key: str) -> list[str]:
        return self._values.get(key, [])

    def last(self, key: str, default: str = "") -> str:
        return (self.all(key) or [default])[-1]

    def words(self, key: str) -> list[str]:
        return [word for value in self.all(key) for word in value.split()]

    @property
    def capabilities(self) -> set[str]:
        assert set(self.words("AmbientCapabilities")) == set(self.words("CapabilityBoundingSet"))
        return set(self.words("AmbientCapabilities"))

    def commands(self, key: str) -> list[list[str]]:
        made = []
        for value in self.all(key):
            assert value.startswith("+"), f"{key}={value} is not run as root"
            words = shlex.split(value[1:])
            made.append([word.replace("%%", "%").replace("$$", "$") for word in words])
        return made

    def writable(self) -> list[str]:
        paths = []
        for value in self.all("ReadWritePaths"):
            path = shlex.split(value)[0].replace("%%", "%")
            if Path(path.lstrip("-")).exists():
                paths.append(path.lstrip("-"))
            else:
                assert path.startswith("-"), f"ReadWritePaths={value}: there is no such path"
        return paths

    def system_calls(self) -> set[str]:
        """Those that SystemCallFilter lets through."""
        allowed = set(_group("@default"))
        for value in self.all("SystemCallFilter"):
            deny = value.startswith("~")
            for name in value.lstrip("~").split():
                names = _group(name) if name.startswith("@") else {name}
                allowed = allowed - names if deny else allowed | names
        return allowed


@functools.cache
def _group(name: str) -> set[str]:
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    found: set[str] = set()
    for line in listed.stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= _group(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def _checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _mount(source: str, target: str, flags: int) -> None:
    _checked(
        _libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None),
        f"mount {target}",
    )


def _set_read_only(path: str, read_only: bool) -> None:
    class Attributes(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]

    attributes = Attributes(**{"set" if read_only else "clear": MOUNT_ATTR_RDONLY})
    _checked(
        _libc.syscall(
            SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE,
            ctypes.byref(attributes), ctypes.sizeof(attributes),
        ),
        f"mount_setattr {path}",
    )


def name_the_user(name: str, uid: int) -> None:
    """Makes it user and group of that number, in this mount namespace."""
    for file, line in (
        ("/etc/passwd", f"{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n"),
        ("/etc/group", f"{name}:x:{uid}:\n"),
    ):
        others = [each for each in Path(file).read_text(encoding="utf-8").splitlines(True)
                  if not each.startswith(f"{name}:")]
        with tempfile.NamedTemporaryFile("w", dir="/run", delete=False) as changed:
            changed.write("".join([*others, line]))
        os.chmod(changed.name, 0o644)
        _mount(changed.name, file, MS_BIND)
        os.unlink(changed.name)


def protect_system(unit: Unit) -> None:
    assert unit.last("ProtectSystem") == "strict"
    writable = unit.writable()
    for path in writable:
        _mount(path, path, MS_BIND | MS_REC)
    _set_read_only("/", True)
    for path in [*writable, "/proc", "/dev"]:
        _set_read_only(path, False)
    if unit.last("ProtectKernelTunables") != "yes":
        _set_read_only("/sys", False)


def filter_of(unit: Unit) -> dict[str, Any]:
    return {
        "errno": unit.last("SystemCallErrorNumber", "EPERM"),
        "families": unit.words("RestrictAddressFamilies"),
        "no_write_execute": unit.last("MemoryDenyWriteExecute") == "yes",
        "calls": sorted(unit.system_calls()),
    }


def filter_system_calls(wanted: dict[str, Any]) -> None:
    import seccomp
    from seccomp import ALLOW, EQ, MASKED_EQ, Arg

    filtered = seccomp.SyscallFilter(seccomp.ERRNO(getattr(errno, wanted["errno"])))
    special = set()
    if wanted["families"]:
        special.add("socket")
        for family in wanted["families"]:
            filtered.add_rule(ALLOW, "socket", Arg(0, EQ, getattr(socket, family)))
    if wanted["no_write_execute"]:
        special |= {"mmap", "mprotect"}
        write, execute = 2, 4
        for protection in (0, write, execute):
            filtered.add_rule(ALLOW, "mmap", Arg(2, MASKED_EQ, write | execute, protection))
        filtered.add_rule(ALLOW, "mprotect", Arg(2, MASKED_EQ, execute, 0))
    for name in wanted["calls"]:
        if name in special:
            continue
        try:
            filtered.add_rule(ALLOW, name)
        except (RuntimeError, ValueError, OSError):
            pass  # not a system call of this machine's architecture
    filtered.load()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uid", type=int, required=True)
    parser.add_argument("--drop-in", action="append", default=[])
    parser.add_argument("unit")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    unit = Unit(arguments.unit, *arguments.drop_in)
    wanted = filter_of(unit)

    _checked(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount("none", "/", MS_REC | MS_PRIVATE)
    name_the_user("pxegate", arguments.uid)
    for command in unit.commands("ExecStartPre"):
        subprocess.run(command, check=True)
    protect_system(unit)
    os.umask(int(unit.last("UMask", "0022"), 8))
    assert unit.last("NoNewPrivileges") == "yes"
    capabilities = "".join(
        f",+{name.removeprefix('CAP_').lower()}" for name in sorted(unit.capabilities)
    )
    uid = 0 if unit.last("User") == "root" else arguments.uid
    bits = {"noroot-locked": "+noroot_locked", "noroot": "+noroot"}
    secure = ",".join(bits[bit] for bit in unit.words("SecureBits"))
    os.execvp("setpriv", [
        "setpriv", f"--reuid={uid}", f"--regid={arguments.uid}", "--clear-groups",
        f"--inh-caps=-all{capabilities}", f"--ambient-caps=-all{capabilities}",
        f"--bounding-set=-all{capabilities}", "--no-new-privs",
        *([f"--securebits={secure}"] if secure else []), "--",
        # Behind setpriv, which itself needs calls that the unit does not.
        "/usr/bin/python3", "-B", __file__, "--filter", json.dumps(wanted),
        *arguments.command,
    ])


if __name__ == "__main__":
    if sys.argv[1] == "--filter":
        filter_system_calls(json.loads(sys.argv[2]))
        os.execvp(sys.argv[3], sys.argv[3:])
    main()
