"""What an alert says, in the language of the window."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from gui.compare.alerts import Alert, AlertKind
from gui.units import format_ms

CONTEXT = "Alerts"


def describe_alert(alert: Alert) -> str:
    """One sentence with the figure and the limit."""
    tr = QCoreApplication.translate
    template = {
        AlertKind.MEMORY: tr(CONTEXT, "{name}: memory is {value} % of the limit, above {limit} %."),
        AlertKind.P99: tr(CONTEXT, "{name}: P99 is {value} ms, above {limit} ms."),
        AlertKind.TOP1: tr(CONTEXT, "{name}: top-1 is {value} % below float's, more than {limit} %."),
        AlertKind.AGREEMENT: tr(CONTEXT, "{name}: {value} % of the predictions differ from float's, above {limit} %."),
        AlertKind.PERPLEXITY: tr(CONTEXT, "{name}: perplexity is {value} % above float's, more than {limit} %."),
    }[alert.kind]
    value = format_ms(alert.value) if alert.kind == AlertKind.P99 else f"{alert.value:.1f}"
    return template.format(name=alert.name, value=value, limit=f"{alert.limit:g}")
