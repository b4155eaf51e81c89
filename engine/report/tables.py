"""Tables and figures in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.report.svg import escape
from engine.sensitivity.matrix import Metric

ABSENT = "–"
METRIC_TITLES = {
    Metric.SQNR: ("SQNR, dB", "higher is better"),
    Metric.KL: ("KL divergence from float, nats", "lower is better"),
    Metric.LOSS: ("expected rise of the loss, nats", "lower is better"),
    Metric.MSE: ("mean squared error", "lower is better"),
    Metric.COSINE: ("cosine similarity", "higher is better"),
    Metric.TOP1_DROP: ("top-1 drop, points", "lower is better"),
}


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", *, is_words: bool = False) -> str:
    """An HTML table of text; the first column names the row. `is_words` aligns the rest to the left."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = ' class="words"' if is_words else ""
    top = f"<thead><tr>{head}</tr></thead>" if header else ""
    return f'<div class="scroll"><table{kind}>{title}{top}<tbody>{body}</tbody></table></div>'


def fold(title: str, body: str) -> str:
    """What is shown when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def figure_of(drawing: str, caption: str = "") -> str:
    """A chart with a line below it; the caption is HTML."""
    return f"<figure>{drawing}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def show_metric(metric: Metric, value: float | None) -> str:
    """A cell's figure."""
    if value is None:
        return ABSENT
    if math.isinf(value):
        return "∞"
    if metric == Metric.SQNR:
        return f"{value:.1f}"
    return f"{value:.5f}" if metric == Metric.COSINE else f"{value:.3g}"


def show(value: float | None, template: str) -> str:
    """A figure in a format such as "{:.2f} %"; a dash where there is none."""
    if value is None:
        return ABSENT
    return "∞" if math.isinf(value) else template.format(value)
