# SPDX-License-Identifier: Apache-2.0
"""A clean Debian 12 with systemd as its process 1, in a host of the lab: packages
are installed with apt, and services run as systemd runs them.

systemd-nspawn holds it, on the lab's network namespace. The root is an overlay,
in a mount namespace that takes all of it along when it ends.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path

from clean_machine import CACHE, debootstrapped
from lab import wait_for
from subject import PATIENCE

_COMMAND_LIMIT = 600
# Of what the machine's PID 1 may pass on.
_CAPABILITIES = "CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_ADMIN,CAP_SYS_PTRACE"

# Run in a new mount namespace: waits there until it is killed. Its bpffs is as
# systemd mounts it.
_SET_UP = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root" "$2/bpf"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
mount -t bpf -o mode=0700 bpf "$2/bpf"
mount --bind "$3" "$2/root/var/cache/apt/archives"
echo ready
exec sleep infinity
"""


class BootedMachine:
    """`with BootedMachine(folder) as machine`: `folder` is an empty one of the
    caller's. Packages are installed first, by install(); then boot()."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keeper: subprocess.Popen[str] | None = None
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> BootedMachine:
        root = debootstrapped("systemd-root", "--include=systemd,systemd-sysv,dbus")
        archives = CACHE / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL",  # nothing is left of a killed run
             "unshare", "--mount", "sh", "-c", _SET_UP, "sh", root, self._folder, archives],
            stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout.readline() == "ready\n", "the machine cannot be made"
        return self

    def __exit__(self, *_: object) -> None:
        if self._nspawn is not None:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                self.run("systemctl", "poweroff", "--force", "--force", check=False)
                self._nspawn.wait(20)
            self._nspawn.kill()
            self._nspawn.wait()
        self._keeper.send_signal(signal.SIGKILL)
        self._keeper.wait()
        self._keeper.stdout.close()

    def install(self, package: Path, *others: str) -> str:
        """A file and Debian's packages, with all that they depend on, before the
        machine boots."""
        root = self._folder / "root"
        there = self.path(f"/root/{package.name}")
        there.write_bytes(package.read_bytes())
        self._outside(["cp", "/etc/resolv.conf", root / "etc/resolv.conf"])
        inside = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                  "DEBIAN_FRONTEND=noninteractive"]
        said = ""
        for command in (["apt-get", "update", "-q"],
                        ["apt-get", "install", "-y", "-q", "--no-install-recommends",
                         f"/root/{package.name}", *others]):
            said += self._outside(["chroot", root, *inside, *command])
        return said

    def boot(self, network: str, log: Path) -> None:
        """systemd, in a network namespace; back when it has reached its target."""
        with open(log, "wb") as out:
            self._nspawn = subprocess.Popen(
                self._entered(
                    "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot",
                    f"--directory={self._folder / 'root'}",
                    "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                    f"--network-namespace-path={network}",
                    f"--bind={self._folder / 'bpf'}:/sys/fs/bpf",
                    f"--capability={_CAPABILITIES}",
                    "--system-call-filter=bpf perf_event_open",
                    "systemd.unit=multi-user.target"),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def up() -> bool:
            assert self._nspawn.poll() is None, log.read_text(errors="replace")
            children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
            found = children.read_text().split()
            if not found:
                return False
            self._init = int(found[-1])
            done = self.run("systemctl", "is-system-running", check=False)
            return done.stdout.strip() in ("running", "degraded")

        assert wait_for(up, 2 * PATIENCE, 0.5), log.read_text(errors="replace")

    def run(self, *argv: str | Path, check: bool = True,
            stdin: str = "") -> subprocess.CompletedProcess[str]:
        """On the booted machine."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._init), "--mount", "--uts", "--ipc", "--net",
             "--pid", "--root", "--wd=/", "--",
             "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
             "DEBIAN_FRONTEND=noninteractive", *map(str, argv)],
            input=stdin, capture_output=True, text=True, check=False, timeout=_COMMAND_LIMIT)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done

    def path(self, inside: str) -> Path:
        """Of a file there, for this program."""
        return Path(f"/proc/{self._keeper.pid}/root{self._folder}/root{inside}")

    def _entered(self, *argv: str | Path) -> list[str]:
        return ["nsenter", "--target", str(self._keeper.pid), "--mount", "--", *map(str, argv)]

    def _outside(self, argv: list[str | Path]) -> str:
        done = subprocess.run(self._entered(*argv), capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=_COMMAND_LIMIT)
        assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done.stdout
