# SPDX-License-Identifier: Apache-2.0
"""A clean Debian 12, in a folder, that packages are really installed on.

debootstrap makes it once, below build/; each use is an overlay of it in memory,
in a mount namespace that takes all of it along when it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from subject import ROOT

CACHE = ROOT / "build" / "clean-debian-12"
_COMMAND_LIMIT = 600

# Run in the new mount namespace: waits there until it is killed.
_SET_UP = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
cd "$2/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
# As systemd mounts it.
mount -t bpf -o mode=0700 bpf sys/fs/bpf
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p var/cache/apt/archives
mount --bind "$3" var/cache/apt/archives
cp /etc/resolv.conf etc/resolv.conf
mkdir run/old
pivot_root . run/old
exec sh -c 'umount -l /run/old; rmdir /run/old; echo ready; exec sleep infinity'
"""


def debootstrapped(name: str, *options: str) -> Path:
    """A root of that name, made where there is none yet."""
    root = CACHE / name
    if not root.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = CACHE / f"{name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", *options, "bookworm", fresh,
             "http://deb.debian.org/debian"],
            capture_output=True, text=True, check=False, timeout=_COMMAND_LIMIT)
        assert made.returncode == 0, made.stdout[-3000:]
        fresh.rename(root)
    return root


class CleanMachine:
    """`with CleanMachine(folder) as machine`: `folder` is an empty one of the
    caller's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> CleanMachine:
        root = debootstrapped("root")
        archives = CACHE / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL",  # nothing is left of a killed run
             "unshare", "--mount", "sh", "-c", _SET_UP, "sh", root, self._folder, archives],
            stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout.readline() == "ready\n", "the machine does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.send_signal(signal.SIGKILL)
        self._keeper.wait()
        self._keeper.stdout.close()

    def command(self, *argv: str | Path, network: str | None = None) -> list[str]:
        """argv on this machine, in a network namespace of the caller's choice."""
        return [
            "nsenter", "--target", str(self._keeper.pid), "--mount", "--root", "--wd=/",
            *([f"--net={network}"] if network else []), "--",
            "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive", *map(str, argv),
        ]

    def run(self, *argv: str | Path, network: str | None = None, check: bool = True,
            stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.command(*argv, network=network), input=stdin or "",
                              capture_output=True, text=True, check=False,
                              timeout=_COMMAND_LIMIT)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done

    def path(self, inside: str) -> Path:
        """Of a file there, for this program."""
        return Path(f"/proc/{self._keeper.pid}/root{inside}")

    def put(self, file: Path, inside: str) -> None:
        shutil.copy(file, self.path(inside))
        os.chmod(self.path(inside), file.stat().st_mode & 0o777)
