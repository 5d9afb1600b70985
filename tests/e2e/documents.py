# SPDX-License-Identifier: Apache-2.0
"""What stands in a Markdown document: commands, fenced blocks, tables, links.

An indented block holds commands for a shell; everything else that is no prose is
fenced, with its language.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHELL = "sh"
_FENCE = re.compile(r"\s*```(\w*)\s*$")
_MARK = re.compile(r"<!-- (.*) -->$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int
    mark: str = ""  # of the comment in front of it


def documents(root: Path) -> list[str]:
    """Those of the repository, by their paths."""
    listed = subprocess.run(
        ["git", "-C", str(root), "-c", "safe.directory=*", "ls-files", "-co",
         "--exclude-standard", "*.md"],
        capture_output=True, text=True, check=False,
    )
    assert listed.returncode == 0, listed.stderr
    return sorted(name for name in listed.stdout.split() if (root / name).exists())


def blocks(text: str) -> Iterator[Block]:
    """In their order."""
    lines = text.splitlines()
    at = 0
    mark = ""
    while at < len(lines):
        line = lines[at]
        fence = _FENCE.match(line)
        indented = line.startswith("    ") and (at == 0 or not lines[at - 1].strip())
        if not fence and not indented:
            found = _MARK.match(line)
            if line.strip():
                mark = found[1] if found else ""
            at += 1
            continue
        start = at
        taken = []
        if fence:
            at += 1
            while not lines[at].strip().startswith("```"):
                taken.append(lines[at])
                at += 1
            at += 1
        else:
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                taken.append(lines[at][4:])
                at += 1
        language = fence[1] if fence else SHELL
        yield Block(language, "\n".join(taken).strip("\n") + "\n", start + 1, mark)
        mark = ""


def commands(block: Block) -> Iterator[str]:
    """One a line, what is continued joined, without comments."""
    for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
        command = re.sub(r"(^|\s+)#.*", "", line).strip()
        if command:
            yield command


def prose(text: str) -> str:
    """Without its blocks and comments."""
    kept = []
    fenced = False
    for line in text.splitlines():
        if line.strip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            kept.append(line)
    return re.sub(r"<!--.*?-->", "", "\n".join(kept), flags=re.DOTALL)


def spans(text: str) -> list[str]:
    """What is set as code in the prose."""
    joined = prose(text).replace("\n", " ")
    return [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", joined)]


def links(text: str) -> list[str]:
    joined = re.sub(r"`[^`]*`", "", prose(text).replace("\n", " "))
    return [first or second for first, second in _LINK.findall(joined)]


def anchors(text: str) -> set[str]:
    """Of its headings, as GitHub makes them."""
    made: dict[str, int] = {}
    for line in prose(text).splitlines():
        heading = re.match(r"#+ (.*)", line)
        if heading:
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
            made[slug] = made.get(slug, -1) + 1
            if made[slug]:
                made[f"{slug}-{made[slug]}"] = 0
    return set(made)


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """The rows of all tables, each with the comment in front of its table."""
    mark = ""
    for line in text.splitlines():
        found = _MARK.match(line)
        if line.startswith("|"):
            yield mark, [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        else:
            mark = found[1] if found else ""


def column(text: str, header: str, key: str) -> str:
    """The cell of the row `key` in the column `header`, in the table that has both."""
    head: list[str] = []
    found = []
    for line in text.splitlines():
        if not line.startswith("|"):
            head = []
            continue
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not head:
            head = cells
        elif header in head and " | ".join(cells).startswith(f"{key} |"):
            found.append(cells[head.index(header)])
    assert len(found) == 1, f"{key} in {header}: {found}"
    return found[0]
