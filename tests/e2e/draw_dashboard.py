#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a Grafana dashboard, with what a Prometheus has for it: for people who
want to see its shape and its data where there is no Grafana.

usage: draw_dashboard.py URL PNG [SECONDS]     the last SECONDS, 300 if not said
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "monitoring" / "dashboard.json"
COLORS = {"green": "#56a64b", "red": "#e02f44", "orange": "#ff780a", "blue": "#3274d9"}
COLUMNS, CELL_W, CELL_H = 24, 0.75, 0.38  # inches

# A PromQL query by its parameters: what Prometheus has under "result".
Query = Callable[[str, dict[str, Any]], list[dict[str, Any]]]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expression(target: dict[str, Any], rate_interval: str) -> str:
    """A target's query as Grafana would send it, for all instances."""
    expr = target["expr"].replace("$instance", ".*")
    expr = expr.replace("$__rate_interval", rate_interval)
    assert "$" not in expr, f"a variable that nobody knows: {expr}"
    return expr


def legend(target: dict[str, Any], labels: dict[str, str]) -> str:
    return re.sub(
        r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), target["legendFormat"]
    )


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """A value as Grafana writes it, about."""
    digits = 3 if decimals is None else decimals
    if unit == "percentunit":
        return f"{value * 100:.{digits if decimals is not None else 1}f} %"
    if unit == "s":
        if abs(value) < 1 and value:
            return f"{value * 1000:.0f} ms"
        return f"{value / 60:.1f} min" if value >= 120 else f"{value:.{min(digits, 2)}f} s"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    suffix = {"reqps": " req/s", "cps": " c/s"}.get(unit, "")
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") + suffix if digits else f"{value:.0f}"


def series(panel: dict[str, Any], query: Query, window: dict[str, Any], rate: str) -> list:
    """(legend, times, values) of each line."""
    lines = []
    for target in panel["targets"]:
        for found in query(expression(target, rate), window):
            times = [float(at) - window["end"] for at, _ in found["values"]]
            values = [float(value) for _, value in found["values"]]
            lines.append((legend(target, found["metric"]), times, values))
    return lines


def threshold_color(defaults: dict[str, Any], value: float) -> str:
    color = "green"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    return COLORS[color]


def draw_number(axes: Any, panel: dict[str, Any], lines: list) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    axes.set_axis_off()
    if not lines:
        axes.text(0.5, 0.5, "No data", ha="center", va="center", color="#777777")
        return
    value = lines[0][2][-1]
    text = shown(value, defaults["unit"], defaults.get("decimals"))
    color = threshold_color(defaults, value)
    for mapping in defaults["mappings"]:
        option = mapping["options"].get(f"{value:g}")
        if option:
            text, color = option["text"], COLORS[option["color"]]
    axes.add_patch(plt.Rectangle((0, 0), 1, 1, color=color, transform=axes.transAxes))
    axes.text(0.5, 0.5, text, ha="center", va="center", color="white", fontsize=13, weight="bold")


def draw_lines(axes: Any, panel: dict[str, Any], lines: list) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    fixed = {
        override["matcher"]["options"]: COLORS[override["properties"][0]["value"]["fixedColor"]]
        for override in panel["fieldConfig"]["overrides"]
    }
    if not lines:
        axes.text(0.5, 0.5, "No data", ha="center", va="center", transform=axes.transAxes)
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    below: dict[float, float] = {}
    for name, times, values in lines:
        label = f"{name}  {shown(values[-1], defaults['unit'])}"
        if stacked:
            base = [below.get(at, 0.0) for at in times]
            values = [low + value for low, value in zip(base, values)]
            below.update(zip(times, values))
        marker = "." if defaults["custom"]["showPoints"] == "always" else None
        (line,) = axes.plot(
            times, values, label=label, lw=1, marker=marker, ms=4, color=fixed.get(name)
        )
        if stacked:
            axes.fill_between(times, base, values, color=line.get_color(), alpha=0.3)
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, defaults["unit"]))
    axes.margins(x=0, y=0.1)
    axes.autoscale_view()
    if defaults.get("min") is not None:
        axes.set_ylim(bottom=defaults["min"])
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    if lines:
        axes.legend(
            fontsize=7, ncol=3, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12)
        )


def draw(dashboard: dict[str, Any], query: Query, png: Path, seconds: float) -> None:
    end = time.time()
    window = {"start": end - seconds, "end": end, "step": max(1.0, seconds / 200)}
    rate = f"{max(15, int(seconds / 10))}s"
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    figure = plt.figure(figsize=(COLUMNS * CELL_W, rows * CELL_H), facecolor="#f4f5f5")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, width = place["x"] / COLUMNS, place["w"] / COLUMNS
        top, height = 1 - place["y"] / rows, place["h"] / rows
        if panel["type"] == "row":
            figure.text(x + 0.005, top - height / 2, panel["title"], va="center", weight="bold")
            continue
        frame = plt.Rectangle(
            (x + 0.002, top - height + 0.002), width - 0.004, height - 0.004,
            facecolor="white", edgecolor="#dddddd", transform=figure.transFigure, zorder=-1,
        )
        figure.add_artist(frame)
        title = "\n".join(textwrap.wrap(panel["title"], place["w"] * 8))
        figure.text(x + 0.006, top - 0.008, title, va="top", fontsize=9, weight="bold")
        lines = series(panel, query, window, rate)
        if panel["type"] == "timeseries":
            box = (x + 0.038, top - height + 0.035, width - 0.048, height - 0.062)
            draw_lines(figure.add_axes(box), panel, lines)
        else:
            box = (x + 0.006, top - height + 0.006, width - 0.012, height - 0.032)
            draw_number(figure.add_axes(box), panel, lines)
    figure.savefig(png, dpi=90)
    plt.close(figure)


def http_query(url: str) -> Query:
    def query(expr: str, window: dict[str, Any]) -> list[dict[str, Any]]:
        text = urllib.parse.urlencode({"query": expr, **window})
        with urllib.request.urlopen(f"{url}/api/v1/query_range?{text}") as answer:
            return json.load(answer)["data"]["result"]

    return query


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    seconds = float(sys.argv[3]) if len(sys.argv) == 4 else 300
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    draw(dashboard, http_query(sys.argv[1]), Path(sys.argv[2]), seconds)


if __name__ == "__main__":
    main()
