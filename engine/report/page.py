"""The page: sections in order, every name escaped, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.report import sections
from engine.report.contents import Contents
from engine.report.svg import escape

STYLE = Path(__file__).resolve().parents[2] / "resources" / "report" / "style.css"
# No script runs and nothing is fetched, whatever a name in a model file might try.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def format_page(contents: Contents) -> str:
    """The whole document."""
    parts = [
        ("summary", "Summary", sections.format_summary(contents)),
        ("front", "Trade-off", sections.format_front(contents)),
        ("heatmap", "Layers × bits", sections.format_heatmap(contents)),
        ("plan", "Plan", sections.format_plan_table(contents)),
        ("distributions", "Worst layers", sections.format_distributions(contents)),
        ("benchmark", "Benchmark", sections.format_benchmark(contents)),
        ("environment", "Environment", sections.format_environment(contents)),
        ("commands", "How to do it again", sections.format_commands(contents)),
    ]
    shown = [part for part in parts if part[2]]
    name = Path(contents.model.path).name
    title = f"Quantization of {name}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text('utf-8')}</style></head><body>\n"
        f'<header><h1>{escape(title)}</h1><p class="dim">Bitsmith report. {escape(contents.environment[-1][1])}</p>'
        f"{_format_navigation(shown)}</header>\n<main>\n{''.join(_format_section(*part) for part in shown)}</main>\n"
        "</body></html>\n"
    )


def _format_navigation(parts: Sequence[tuple[str, str, str]]) -> str:
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in parts)
    return f"<nav>{links}</nav>"


def _format_section(name: str, title: str, body: str) -> str:
    return f'<section id="{name}"><h2>{escape(title)}</h2>\n{body}</section>\n'
