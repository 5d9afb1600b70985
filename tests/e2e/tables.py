# SPDX-License-Identifier: Apache-2.0
"""The tables of what the drivers do: for a terminal, for docs/drivers.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from conformance import NETWORKS, STATES, Results, State, Variant, limits
from subject import ROOT

DOCS = ROOT / "docs" / "drivers.md"

Rows = list[list[str]]


def conformance_rows(found: Sequence[tuple[Variant, Results]]) -> Rows:
    """A header, and a row for each state."""
    rows = [["machine", "must be", *(variant.title for variant, _ in found)]]
    for state in STATES:
        cells = [_outcome(variant, results, state) for variant, results in found]
        rows.append([state.text, _said(state.answered), *cells])
    return rows


def _said(answered: bool) -> str:
    return "answered" if answered else "silent"


def _outcome(variant: Variant, results: Results, state: State) -> str:
    """"ok", or where it was otherwise than the policy says."""
    networks = list(NETWORKS)
    other = [n for n in networks if results[state.key, n].answered != state.answered]
    wrong = [
        n
        for n in networks
        if results[state.key, n].answered != variant.expected(state, n)
    ]
    text = "ok"
    if other:
        where = "" if len(other) == len(networks) else f"{', '.join(other)}: "
        text = where + _said(not state.answered)
    return f"{text} WRONG ({', '.join(wrong)})" if wrong else text


def limit_lines(variants: Iterable[Variant]) -> list[str]:
    """Why some cells are not "ok": a line for each reason."""
    titles: dict[tuple[str, str], list[str]] = {}
    for title, where, why in limits(variants):
        titles.setdefault((where, why), []).append(title)
    return [
        f"{', '.join(who)}, {where}: {why}." for (where, why), who in titles.items()
    ]


def as_text(rows: Rows) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def as_markdown(rows: Rows) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, f"| {' | '.join('---' for _ in rows[0])} |")
    return "\n".join(lines)


def conformance_markdown(found: Sequence[tuple[Variant, Results]]) -> str:
    """What stands between the markers."""
    variants = [variant for variant, _ in found]
    told = [
        "`ok`: as the policy says, asked directly (flat), from a VLAN whose tag the",
        "filtered NIC sees, and through a DHCP relay (relayed).",
    ]
    limited = "\n".join(f"- {line}" for line in limit_lines(variants))
    return "\n".join([as_markdown(conformance_rows(found)), "", *told, "", limited])


def section(name: str, text: str | None = None, path: Path = DOCS) -> str:
    """What stands in the page between the markers of `name`; with `text`, puts that
    there first."""
    page = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"{path} has not one {begin} and one {end}")
    before, rest = page.split(begin)
    inside, after = rest.split(end)
    if text is not None:
        inside = f"\n{text.strip()}\n"
        path.write_text(f"{before}{begin}{inside}{end}{after}", encoding="utf-8")
    return inside.strip()
