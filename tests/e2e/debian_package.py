# SPDX-License-Identifier: Apache-2.0
"""The Debian package of what is built, and one of a version later."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from subject import BINARY, ROOT

NEXT_VERSION = "0.1.0+next"


def packed(out: Path) -> Path:
    """Makes first.deb in `out`; lintian has nothing to say of it."""
    made = subprocess.run([ROOT / "scripts/package", "--pack", Path(BINARY).parent, out],
                          capture_output=True, text=True, check=False, timeout=600)
    assert made.returncode == 0, made.stdout + made.stderr
    (package,) = out.glob("pxegate_*.deb")
    package.rename(out / "first.deb")
    return out


def next_version(package: Path, made: Path) -> None:
    """The same package as NEXT_VERSION."""
    with tempfile.TemporaryDirectory() as work:
        later = Path(work) / "later"
        subprocess.run(["dpkg-deb", "-R", package, later], check=True)
        control = later / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {NEXT_VERSION}",
                                  control.read_text()))
        built = Path(work) / "next.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", later, built],
                       check=True, capture_output=True)
        made.write_bytes(built.read_bytes())
