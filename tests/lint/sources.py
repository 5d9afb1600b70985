# SPDX-License-Identifier: Apache-2.0
"""Which files the checks look at: those that git tracks, or would."""

import pathlib
import subprocess
import sys

CXX_SUFFIXES = {".c", ".cc", ".cpp", ".h", ".hpp"}


def root_from(arguments):
    """The directory that a command line names, or this repository."""
    if len(arguments) > 1 or any(each.startswith("-") for each in arguments):
        raise SystemExit("usage: CHECK [DIRECTORY]")
    here = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(arguments[0]) if arguments else here


def everything(root):
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={root.resolve()}", "ls-files", "-z",
         "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        print(f"skipped: git does not list {root}: {listed.stderr.strip()}")
        sys.exit(77)
    # A file may be tracked and gone.
    return sorted({path for path in listed.stdout.split("\0")
                   if path and (root / path).is_file()})


def cxx(root):
    return [path for path in everything(root)
            if pathlib.PurePath(path).suffix in CXX_SUFFIXES]


def interpreter(root, path):
    """The first line's "#!" program, or the empty string."""
    with open(root / path, "rb") as file:
        first = file.readline(200)
    return first.decode(errors="replace").strip() \
        if first.startswith(b"#!") else ""


def shell_scripts(root):
    return [path for path in everything(root)
            if path.endswith((".sh", ".bash"))
            or interpreter(root, path).endswith(("bash", "/sh", " sh"))]
