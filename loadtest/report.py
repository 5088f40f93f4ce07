"""The report of a session of runs: one HTML file with its plots inside, which can be opened anywhere and needs no network."""

from html import escape
from pathlib import Path
from typing import Any, Final

from . import plots
from .audit import Report
from .histogram import Histogram
from .runs import Measured
from .screen import cores, counted, describe_audit

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5d6b7a; --page: #ffffff; --box: #f5f7f9; --rule: #d9dfe5; --one: #1f6feb; --two: #c2410c; --three: #0f766e; --four: #7c3aed; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --soft: #97a3b0; --page: #12171d; --box: #1a2129; --rule: #2d3742; --one: #6aa5ff; --two: #ff9a5c; --three: #4fd1c0; --four: #b794f6; --good: #4ade80; --bad: #f87171; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 32px 24px 64px; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 4px; } h3 { font-size: 13px; font-weight: 600; margin: 0 0 4px; color: var(--soft); }
p { margin: 4px 0 12px; color: var(--soft); } p.good { color: var(--good); } p.bad { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(max(150px, 22%), 1fr)); gap: 12px; margin: 12px 0; }
.figure { background: var(--box); border-radius: 8px; padding: 10px 14px; } .figure b { display: block; font-size: 21px; font-variant-numeric: tabular-nums; } .figure span { color: var(--soft); font-size: 13px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 16px; } .plot { background: var(--box); border-radius: 8px; padding: 12px; }
svg { display: block; width: 100%; height: auto; } .grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); } .label { fill: var(--soft); font-size: 12px; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .series0 { stroke: var(--one); } .series1 { stroke: var(--two); } .series2 { stroke: var(--three); } .series3 { stroke: var(--four); } .bar { fill: var(--one); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--rule); } th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child, table.told td { text-align: left; } table.told td { vertical-align: top; }
.scroll { overflow-x: auto; }
"""

_SHARES: Final = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def write(path: Path, surroundings: dict[str, Any], runs: list[tuple[Measured, Report | None]]) -> None:
    """Write the report of these runs, each with its audit."""
    path.write_text(page(surroundings, runs), encoding="utf-8")


def page(surroundings: dict[str, Any], runs: list[tuple[Measured, Report | None]]) -> str:
    """The report as HTML."""
    sections = "".join(_section(measured, audit) for measured, audit in runs)
    told = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(_flat(value))}</td></tr>" for name, value in surroundings.items()
    )
    overview = _overview(runs) if len(runs) > 1 else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Load test</title>'
        f"<style>{_STYLE}</style></head><body><h1>Load test</h1>"
        f"<p>{escape(str(surroundings.get('at', '')))}</p>{overview}{sections}"
        f'<h2>Taken on</h2><div class="scroll"><table class="told">{told}</table></div></body></html>\n'
    )


def _overview(runs: list[tuple[Measured, Report | None]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(measured.plan.title)}</td><td>{measured.rate:,.0f}</td>"
        + "".join(f"<td>{_main_latency(measured).get(name, 0):,.2f}</td>" for name in ("p50", "p99", "p99.9", "max"))
        + f"<td>{measured.stall_ms:,.0f}</td><td>{_state(audit)}</td></tr>"
        for measured, audit in runs
    )
    head = "".join(
        f"<th>{name}</th>"
        for name in ("run", "per second", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "stall ms", "audit")
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


def _main_latency(measured: Measured) -> dict[str, float]:
    return next(iter(measured.latency.values()), {})


def _section(measured: Measured, audit: Report | None) -> str:
    latency = _main_latency(measured)
    of_kind = f", {next(iter(measured.latency))}" if len(measured.latency) > 1 else ""
    figures = [
        (
            f"{measured.rate:,.0f}",
            "transfers and reads a second" if measured.plan.workload == "mixed" else "transfers a second",
        ),
        *((f"{latency.get(name, 0):,.2f} ms", f"{name} latency{of_kind}") for name in ("p50", "p99", "p99.9", "max")),
        (f"{measured.stall_ms:,.1f} ms", "longest stall"),
        (cores(measured.server.total if measured.server else None), "cores, service"),
        (cores(max(measured.client_cores) if measured.client_cores else None), "cores, busiest load process"),
    ]
    boxes = "".join(
        f'<div class="figure"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for value, name in figures
    )
    drawn = [_throughput(measured), _worst(measured)]
    if any(histogram.count for histogram in measured.histograms.values()):
        drawn.append(_percentiles(measured))
    drawn.append(_stalls(measured))
    figures_html = "".join(f'<div class="plot"><h3>{escape(title)}</h3>{svg}</div>' for title, svg in drawn)
    state = "" if audit is None else ' class="good"' if audit.is_clean else ' class="bad"'
    findings = "".join(f'<p class="bad">{escape(text)}</p>' for text in (audit.findings if audit else []))
    return (
        f"<h2>{escape(measured.plan.title)}</h2><p>{escape(counted(measured))}</p>"
        f'<div class="figures">{boxes}</div><p>{escape(measured.verdict[:1].upper() + measured.verdict[1:])}.</p>'
        f'{_kinds(measured)}<div class="plots">{figures_html}</div><p{state}>Audit: {escape(describe_audit(audit))}.</p>{findings}'
    )


def _kinds(measured: Measured) -> str:
    """The latencies of each kind of request, where there are several."""
    if len(measured.latency) < 2:
        return ""
    names = ("p50", "p90", "p99", "p99.9", "max", "mean", "count")
    head = "".join(f"<th>{name}</th>" for name in ("latency, ms", *names))
    rows = "".join(
        f"<tr><td>{escape(kind)}</td>"
        + "".join(f"<td>{figures[name]:,.{0 if name == 'count' else 2}f}</td>" for name in names)
        + "</tr>"
        for kind, figures in measured.latency.items()
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div><p></p>'


def _state(audit: Report | None) -> str:
    if audit is None:
        return "not done"
    return "all fits" if audit.is_clean else f"{audit.found:,} findings"


def _time_axis(measured: Measured) -> plots.Axis:
    return plots.linear_axis("seconds", float(max(1, len(measured.by_second))))


def _throughput(measured: Measured) -> tuple[str, str]:
    title = "Throughput over time"
    values = [(float(second), float(count)) for second, count in enumerate(measured.by_second)]
    y = plots.linear_axis("per second", max((count for _, count in values), default=1) or 1)
    held = [*values, (float(len(values)), values[-1][1])] if values else []
    return title, plots.lines(title, _time_axis(measured), y, [plots.Line("answered", held)], steps=True)


def _worst(measured: Measured) -> tuple[str, str]:
    title = "Worst latency in each second"
    values = [(float(second), worst) for second, worst in enumerate(measured.worst_ms_by_second)]
    y = plots.linear_axis("ms", max((worst for _, worst in values), default=1) or 1)
    return title, plots.bars(title, _time_axis(measured), y, values, 1.0)


def _percentiles(measured: Measured) -> tuple[str, str]:
    title = "Latency by percentile"
    drawn = [
        plots.Line(kind.name.lower(), _curve(histogram))
        for kind, histogram in measured.histograms.items()
        if histogram.count
    ]
    values = [value for line in drawn for _, value in line.points]
    ticks = [(1 / (1 - share), f"{share * 100:g} %") for share in _SHARES]
    x = plots.Axis("share of requests that were not slower", 1.0, 1 / (1 - _SHARES[-1]), ticks, True)
    y = plots.log_axis("ms", max(0.01, min(values)), max(0.02, *values))
    return title, plots.lines(title, x, y, drawn)


def _curve(histogram: Histogram) -> list[tuple[float, float]]:
    """(1/(1 - share), latency in ms) up to the last share that the number of values can tell."""
    points = []
    place = 1.0
    while place <= min(histogram.count, 1 / (1 - _SHARES[-1])):
        points.append((place, max(0.01, histogram.percentile(1 - 1 / place) / 1000)))
        place *= 1.25
    return points or [(1.0, max(0.01, histogram.highest / 1000))]


def _stalls(measured: Measured) -> tuple[str, str]:
    title = "Times without any answer, the longest in each second"
    values = [(float(second), longest) for second, longest in enumerate(measured.stall_ms_by_second)]
    y = plots.linear_axis("ms", max([*measured.stall_ms_by_second, 1.0]))
    return title, plots.bars(title, _time_axis(measured), y, values, 1.0)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(one)}" for name, one in value.items())
    return str(value)
