# SPDX-License-Identifier: Apache-2.0
"""The plot of flood_cost: price of a dropped frame over the number of denied machines."""

from __future__ import annotations

import math
from html import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 78, 250, 56, 58
LABEL_GAP = 17

# One a line, on a light and on a dark ground; the last is the floor's.
COLOURS = (
    ("#0b57b7", "#58a6ff"),
    ("#0f766e", "#2dd4bf"),
    ("#4f7fe0", "#9cc4ff"),
    ("#7a5c00", "#e3c04a"),
    ("#b45309", "#fb923c"),
    ("#be185d", "#f472b6"),
    ("#b91c1c", "#f87171"),
    ("#6b7280", "#9ca3af"),
)
SCHEMES = (
    {"ground": "#ffffff", "edge": "#d0d7de", "text": "#1f2328", "faint": "#59636e",
     "grid": "#e3e7eb", "axis": "#818b98"},
    {"ground": "#0d1117", "edge": "#3d444d", "text": "#f0f6fc", "faint": "#9198a1",
     "grid": "#262c36", "axis": "#656c76"},
)  # fmt: skip


def _scheme(number: int) -> str:
    colour = SCHEMES[number]
    rules = [
        f".ground {{ fill: {colour['ground']}; stroke: {colour['edge']}; }}",
        f"text {{ fill: {colour['text']}; }}",
        f".faint {{ fill: {colour['faint']}; }}",
        f".grid {{ stroke: {colour['grid']}; }}",
        f".axis, .leader {{ stroke: {colour['axis']}; }}",
    ]
    for i, pair in enumerate(COLOURS):
        rules.append(f".line.c{i} {{ stroke: {pair[number]}; }}")
        rules.append(f".dot.c{i}, .label.c{i} {{ fill: {pair[number]}; }}")
    return "\n".join(rules)


# A card with a ground of its own is readable on any page; where the viewer knows the
# reader's scheme, it follows that.
STYLE = f"""
svg {{ font: 13px system-ui, sans-serif; }}
.title {{ font-size: 16px; font-weight: 600; }}
.line, .leader {{ fill: none; }}
.line {{ stroke-width: 2; }}
.own.line {{ stroke-width: 3.5; }}
.own.label {{ font-weight: 600; }}
.floor {{ stroke-dasharray: 5 5; }}
{_scheme(0)}
@media (prefers-color-scheme: dark) {{
{_scheme(1)}
}}
"""


def _duration(ns: float) -> str:
    for limit, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= limit:
            return f"{ns / limit:g} {unit}"
    return f"{ns:g} ns"


def _spread(wanted: list[float], gap: float, lowest: float) -> list[float]:
    """Places near the wanted ones, `gap` apart, none beyond `lowest`."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    last = -math.inf
    for i in order:
        last = places[i] = max(wanted[i], last + gap)
    last = lowest + gap
    for i in reversed(order):
        last = places[i] = min(places[i], last - gap)
    return places


def draw(lines: dict[str, dict[int, float]], floor: tuple[str, float], own: str) -> str:
    """An SVG of `lines`, name to (machines to ns); `own` is drawn to stand out."""
    sizes = sorted({size for line in lines.values() for size in line})
    values = [ns for line in lines.values() for ns in line.values()] + [floor[1]]
    x0, x1 = math.log10(sizes[0]), math.log10(max(sizes[-1], sizes[0] * 10))
    y0, y1 = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def y(ns: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(ns) - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>CPU time of one dropped DHCP request, by filter and number of denied machines"
        "</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="24">CPU time of one dropped DHCP request</text>',
        f'<text class="faint" x="{LEFT}" y="43">both axes logarithmic; lower is better</text>',
    ]
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for power in range(y0, y1 + 1):
        at = y(10.0**power)
        out.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
        out.append(
            f'<text class="faint" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">'
            f"{_duration(10.0**power)}</text>"
        )
    for size in sizes:
        out.append(f'<path class="axis" d="M{x(size):.1f} {bottom}v5"/>')
        out.append(
            f'<text class="faint" x="{x(size):.1f}" y="{bottom + 21}" text-anchor="middle">'
            f"{size:,}</text>"
        )
    out.append(f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>')
    out.append(
        f'<text class="faint" x="{(LEFT + right) / 2:.1f}" y="{bottom + 42}" '
        'text-anchor="middle">denied machines, the sender last in the list</text>'
    )
    drawn = {**lines, floor[0]: {sizes[0]: floor[1], sizes[-1]: floor[1]}}
    ends = [line[max(line)] for line in drawn.values()]
    places = _spread([y(ns) for ns in ends], LABEL_GAP, bottom)
    for number, (name, line) in enumerate(drawn.items()):
        kind = f"c{7 if name == floor[0] else number % 7}"
        kind += " own" if name == own else " floor" if name == floor[0] else ""
        points = [(x(size), y(line[size])) for size in sorted(line)]
        path = "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
        out.append(f'<path class="line {kind}" d="M{path}"/>')
        if name != floor[0]:
            out += [
                f'<circle class="dot {kind}" cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>'
                for px, py in points
            ]
        end_x, end_y = points[-1]
        out.append(
            f'<path class="leader" d="M{end_x + 6:.1f} {end_y:.1f}'
            f'L{right + 14:.1f} {places[number]:.1f}h6"/>'
        )
        out.append(
            f'<text class="label {kind}" x="{right + 25}" y="{places[number] + 4:.1f}">'
            f"{escape(name)}</text>"
        )
    out.append("</svg>\n")
    return "\n".join(out)
