"""Plots as SVG, drawn here, so that a report is one file that needs nothing from anywhere.

Colours come from the page's CSS variables, so a plot follows its light or dark scheme.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 640
HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 34, 12, 40


class Line(NamedTuple):
    """One line of a plot."""

    name: str
    points: Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """From `low` to `high`, with marks at `ticks` (position, text). `is_log`: equal ratios are equal lengths."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False

    def share(self, value: float) -> float:
        """Where a value is, from 0 to 1."""
        if self.is_log:
            low, high, value = math.log(self.low), math.log(self.high), math.log(max(value, self.low))
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low)))


def linear_axis(title: str, highest: float, lowest: float = 0.0) -> Axis:
    """From `lowest` to a round number not below `highest`."""
    step = round_step((highest - lowest) / 5 or 1.0)
    top = lowest + step * max(1, math.ceil((highest - lowest) / step - 1e-9))
    count = round((top - lowest) / step)
    return Axis(
        title, lowest, top, [(lowest + step * index, short(lowest + step * index)) for index in range(count + 1)]
    )


def log_axis(title: str, lowest: float, highest: float) -> Axis:
    """Whole decades around the values, which are above zero."""
    low, high = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    high = max(high, low + 1)
    return Axis(
        title, 10.0**low, 10.0**high, [(10.0**power, short(10.0**power)) for power in range(low, high + 1)], True
    )


def round_step(raw: float) -> float:
    """1, 2 or 5 times a power of ten, not below `raw`."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def short(value: float) -> str:
    """A number as a label."""
    if value and abs(value) < 1:
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return f"{value / 1e6:g}M" if abs(value) >= 1e6 else f"{value / 1e3:g}k" if abs(value) >= 1e3 else f"{value:g}"


def lines(title: str, x: Axis, y: Axis, drawn: Sequence[Line], *, steps: bool = False) -> str:
    """A plot of lines. With `steps` a value holds until the next one."""
    parts = [*_frame(title, x, y)]
    for index, line in enumerate(drawn):
        points = _stepped(line.points) if steps else line.points
        path = " ".join(f"{_x(x, px):.1f},{_y(y, py):.1f}" for px, py in points)
        parts.append(
            f'<polyline class="line series{index}" points="{path}"><title>{escape(line.name)}</title></polyline>'
        )
    if len(drawn) > 1:
        for index, line in enumerate(drawn):
            left = _LEFT + 12 + index * 110
            parts.append(
                f'<line class="line series{index}" x1="{left}" x2="{left + 18}" y1="{_TOP + 9}" y2="{_TOP + 9}"/>'
            )
            parts.append(f'<text class="label" x="{left + 24}" y="{_TOP + 13}">{escape(line.name)}</text>')
    return _svg(title, parts)


def bars(title: str, x: Axis, y: Axis, values: Sequence[tuple[float, float]], width: float) -> str:
    """A plot of bars: (left edge, height) each."""
    parts = [*_frame(title, x, y)]
    for left, value in values:
        low, high = _x(x, left), _x(x, left + width)
        top = _y(y, value)
        parts.append(
            f'<rect class="bar" x="{low + 0.5:.1f}" y="{top:.1f}" width="{max(1.0, high - low - 1):.1f}" '
            f'height="{max(0.0, _TOP + _depth() - top):.1f}"><title>{value:,.1f}</title></rect>'
        )
    return _svg(title, parts)


def _stepped(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    stepped: list[tuple[float, float]] = []
    for x, y in points:
        if stepped:
            stepped.append((x, stepped[-1][1]))
        stepped.append((x, y))
    return stepped


def _depth() -> float:
    return HEIGHT - _TOP - _BOTTOM


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.share(value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return _TOP + (1 - axis.share(value)) * _depth()


def _frame(title: str, x: Axis, y: Axis) -> list[str]:
    bottom = _TOP + _depth()
    parts = []
    for value, text in y.ticks:
        at = _y(y, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="label" text-anchor="end" x="{_LEFT - 8}" y="{at + 4:.1f}">{escape(text)}</text>')
    for value, text in x.ticks:
        at = _x(x, value)
        parts.append(
            f'<text class="label" text-anchor="middle" x="{at:.1f}" y="{bottom + 16:.1f}">{escape(text)}</text>'
        )
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    middle = _LEFT + (WIDTH - _LEFT - _RIGHT) / 2
    parts.append(f'<text class="label" text-anchor="middle" x="{middle:.0f}" y="{HEIGHT - 6}">{escape(x.title)}</text>')
    at = _TOP + _depth() / 2
    parts.append(
        f'<text class="label" text-anchor="middle" transform="translate(13 {at:.0f}) rotate(-90)">{escape(y.title)}</text>'
    )
    return parts


def _svg(title: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
