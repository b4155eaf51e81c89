"""The columns of the Compare table: every figure, and how it differs from the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QObject

from engine.requests.conversion import DEGRADED_SQNR_DB
from engine.units import format_bytes
from gui.compare.store import Comparisons, Subject
from gui.engine_texts import translate_warning
from gui.result_table import Cell, TableColumn, Tone
from gui.units import MINUS, format_db, format_delta, format_ms, format_ratio

QUALITY, SPEED, MEMORY = "quality", "speed", "memory"
MAIN = "main"
"""Columns of this group are in every choice."""
UP, DOWN, SAME = "▲", "▼", "="
SMALL_SHARE = 0.005
"""Relative differences below this are shown as none."""
SMALL_DROP = 0.5
"""Points of top-1 below which a loss is not marked."""
SMALL_AGREEMENT = 95.0
"""Percentage of equal decisions below which a result is no longer called close."""

Value = Callable[[Subject], float | None]


class CompareColumns(QObject):
    """Builds cells for the rows of a `Comparisons`."""

    def __init__(self, store: Comparisons, parent: QObject) -> None:
        super().__init__(parent)
        self._store = store

    def build(self) -> list[TableColumn]:
        """All columns, in the order of the table."""
        return [
            TableColumn(self.tr("Model"), self.tr("File of the model"), self._name, is_text=True, group=MAIN),
            self._relative(self.tr("File size"), self.tr("Size on disk"), _size, _format_size, MAIN),
            TableColumn(self.tr("Smaller"), self.tr("Float size / size"), self._ratio, group=MAIN),
            self._absolute(self.tr("Bits per weight"), self.tr("All stored bits per weight"), _bits, (-1, 2), QUALITY),
            self._absolute(self.tr("SQNR dB"), self.tr("Of the outputs against float"), _sqnr, (1, 1), MAIN),
            self._absolute(self.tr("KL"), self.tr("Of the class probabilities, nats"), _figure("kl"), (-1, 5), QUALITY),
            self._absolute(
                self.tr("Top-1 %"), self.tr("Share of samples whose label is predicted"), _figure("top1"), (1, 2), MAIN
            ),
            self._absolute(
                self.tr("Top-5 %"), self.tr("The label is among the five best"), _figure("top5"), (1, 2), QUALITY
            ),
            self._absolute(
                self.tr("Agreement %"), self.tr("Same prediction as float"), _figure("agreement"), (1, 2), QUALITY
            ),
            self._absolute(
                self.tr("Perplexity"),
                self.tr("Of the next token; lower is better"),
                _figure("perplexity"),
                (-1, 3),
                MAIN,
            ),
            self._latency(self.tr("P50 ms"), self.tr("Half of the calls are faster"), "p50", MAIN),
            self._latency(self.tr("P90 ms"), self.tr("90 % of the calls are faster"), "p90", SPEED),
            self._latency(self.tr("P99 ms"), self.tr("99 % of the calls are faster"), "p99", SPEED),
            self._relative(
                self.tr("Samples/s"),
                self.tr("Throughput"),
                _point("throughput_per_s"),
                _format_count,
                SPEED,
                better=1,
            ),
            self._relative(
                self.tr("Load ms"), self.tr("Loading in a process of its own"), _point("load_ms"), format_ms, SPEED
            ),
            self._memory(self.tr("RSS"), self.tr("Resident memory, in a process of its own"), "rss_bytes"),
            self._memory(self.tr("PSS"), self.tr("Shared pages divided among those who share them"), "pss_bytes"),
            self._memory(self.tr("USS"), self.tr("Memory that no other process shares"), "uss_bytes"),
            TableColumn(
                self.tr("Verdict"),
                self.tr("Whether the result is far from float"),
                self._verdict,
                is_text=True,
                group=MAIN,
            ),
        ]

    # --- kinds of columns ----------------------------------------------------------------------

    def _relative(
        self, title: str, tip: str, value: Value, form: Callable[[float], str], group: str, *, better: int = -1
    ) -> TableColumn:
        """Differences in percent; `better` is 1 where more is better, −1 where less is."""

        def cell(row: int) -> Cell:
            found = self._value(row, value)
            if found is None:
                return Cell("")
            delta, tone, tool_tip = "", Tone.PLAIN, ""
            reference = self._reference(row, value)
            if reference:
                share = found / reference - 1.0
                arrow, tone = _mark(share, better, SMALL_SHARE)
                delta = f"{arrow} {_format_percent(share)}"
                tool_tip = self._explain(tone)
            return Cell(form(found), tone, tool_tip, delta, found)

        return TableColumn(title, tip, cell, group=group)

    def _absolute(self, title: str, tip: str, value: Value, style: tuple[int, int], group: str) -> TableColumn:
        """Differences in the unit of the figure; `style` is what is better (1 or −1) and the digits."""
        better, digits = style

        def cell(row: int) -> Cell:
            found = self._value(row, value)
            if found is None:
                return Cell("")
            text = format_db(found, digits=digits)
            reference = self._reference(row, value)
            if reference is None or not (math.isfinite(found) and math.isfinite(reference)):
                return Cell(text, value=found)
            arrow, tone = _mark(found - reference, better, 0.5 * 10.0**-digits)
            delta = f"{arrow} {format_delta(found - reference, digits)}"
            return Cell(text, tone, self._explain(tone), delta, found)

        return TableColumn(title, tip, cell, group=group)

    def _latency(self, title: str, tip: str, name: str, group: str) -> TableColumn:
        def value(subject: Subject) -> float | None:
            return subject.benchmark.latency_ms[name] if subject.benchmark else None

        return self._relative(title, tip, value, format_ms, group)

    def _memory(self, title: str, tip: str, name: str) -> TableColumn:
        return self._relative(title, tip, _point(name), _format_size, MEMORY)

    # --- cells ---------------------------------------------------------------------------------

    def _subject(self, row: int) -> Subject:
        return self._store.subjects[row]

    def _value(self, row: int, value: Value) -> float | None:
        return value(self._subject(row))

    def _reference(self, row: int, value: Value) -> float | None:
        """The baseline's figure; None for the baseline itself."""
        baseline = self._store.baseline
        if baseline is None or baseline.path == self._subject(row).path:
            return None
        return value(baseline)

    def _explain(self, tone: Tone) -> str:
        words = {Tone.GOOD: self.tr("better than {name}"), Tone.BAD: self.tr("worse than {name}")}
        baseline = self._store.baseline
        text = words.get(tone, self.tr("as {name}"))
        return text.format(name=baseline.name if baseline else "")

    def _name(self, row: int) -> Cell:
        subject = self._subject(row)
        if subject.is_float:
            return Cell(self.tr("{name} (float)").format(name=subject.name), tool_tip=subject.path)
        if subject.converted is None:
            return Cell(self.tr("{name} (added)").format(name=subject.name), tool_tip=subject.path)
        return Cell(subject.name, tool_tip=subject.path)

    def _ratio(self, row: int) -> Cell:
        subject, own = self._subject(row), self._store.subjects[0].file_bytes
        ratio = own / max(subject.file_bytes, 1)
        return Cell(format_ratio(ratio), Tone.DIM if subject.is_float else Tone.PLAIN, value=ratio)

    def _verdict(self, row: int) -> Cell:
        subject = self._subject(row)
        if subject.is_float:
            return Cell(self.tr("reference"), Tone.DIM)
        warnings = [translate_warning(text) for text in subject.converted.warnings] if subject.converted else []
        if subject.converted is not None and subject.converted.is_degraded:
            return Cell(self.tr("⚑ degraded"), Tone.BAD, "\n".join(warnings))
        if warnings:
            return Cell(self.tr("note"), Tone.BAD, "\n".join(warnings))
        if subject.evaluation is None:
            return Cell(self.tr("not compared"), Tone.DIM)
        return self._judge(subject)

    def _judge(self, subject: Subject) -> Cell:
        """What the evaluation says, the worst figure first."""
        found = subject.evaluation
        assert found is not None
        both = found.top1 is not None and found.reference_top1 is not None
        drop = (found.reference_top1 or 0.0) - (found.top1 or 0.0) if both else 0.0
        if drop > SMALL_DROP:
            return Cell(self.tr("{points} points lower").format(points=f"{drop:.2f}"), Tone.BAD)
        if subject.sqnr_db is not None and subject.sqnr_db < DEGRADED_SQNR_DB:
            return Cell(self.tr("far from float"), Tone.BAD)
        if found.agreement is not None and found.agreement < SMALL_AGREEMENT:
            return Cell(self.tr("differs on {share} %").format(share=f"{100 - found.agreement:.1f}"))
        return Cell(self.tr("close to float"), Tone.GOOD)


def _mark(difference: float, better: int, least: float) -> tuple[str, Tone]:
    """The arrow says up or down, the colour better or worse."""
    if abs(difference) < least or math.isnan(difference):
        return SAME, Tone.DIM
    arrow = UP if difference > 0 else DOWN
    return arrow, Tone.GOOD if difference * better > 0 else Tone.BAD


def _format_percent(share: float) -> str:
    digits = 0 if abs(share) >= 0.0995 else 1
    text = f"{100 * abs(share):.{digits}f} %"
    if not float(text.removesuffix(" %")):
        return text
    return f"{'+' if share > 0 else MINUS}{text}"


def _format_size(value: float) -> str:
    return format_bytes(int(value))


def _format_count(value: float) -> str:
    return f"{value:,.0f}"


def _size(subject: Subject) -> float | None:
    return float(subject.file_bytes)


def _bits(subject: Subject) -> float | None:
    return 32.0 if subject.is_float else subject.bits_per_weight


def _sqnr(subject: Subject) -> float | None:
    return math.inf if subject.is_float else subject.sqnr_db


def _figure(name: str) -> Value:
    return lambda subject: getattr(subject.evaluation, name) if subject.evaluation else None


def _point(name: str) -> Value:
    return lambda subject: getattr(subject.benchmark, name) if subject.benchmark else None
