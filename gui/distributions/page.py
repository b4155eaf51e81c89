"""The Distributions page: the selected layer's weights or inputs at large, and a clip range that can be dragged."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget
from typing_extensions import override

from engine.numerics.schemes import Kernel
from engine.placement import find_layers_on_source
from engine.plan import LayerPlan, Plan
from engine.requests.histograms import ActivationHistogram, ActivationHistogramRequest, WeightHistogram
from engine.summary import LayerSummary, ModelSummary
from gui.actions import Actions
from gui.distributions.channel_strip import ChannelStrip
from gui.distributions.clip_edits import (
    Range,
    clip_ends,
    clip_share,
    find_input_range,
    moved_range,
    with_clip,
    with_input_range,
)
from gui.distributions.clip_plot import ClipPlot
from gui.distributions.empty_state import EmptyState
from gui.distributions.key import Key
from gui.distributions.texts import describe_figures, describe_input_range, describe_weight_range
from gui.distributions.view_bar import Subject, ViewBar
from gui.histogram_feed import AnyHistogram, HistogramFeed, HistogramRequest
from gui.naming import named
from gui.saving import PlotSaver
from gui.session import Session
from gui.theme import Theme

STEP_SHARE = 0.01
EMPTY_LINE = "\N{NO-BREAK SPACE}"
"""As high as a line that says something, so that the plots keep their size."""


class DistributionsPage(QWidget):
    """Shows what `HistogramFeed` has in focus; a drag previews, letting go changes the plan in one step."""

    def __init__(
        self, session: Session, feed: HistogramFeed, theme: Theme, actions: Actions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("distributions_page")
        self._session = session
        self._feed = feed
        self._share: float | None = None
        self._range: Range | None = None
        self._shown: AnyHistogram | None = None
        self._readers: tuple[Plan | None, str, tuple[str, ...]] = (None, "", ())
        self._title = named(QLabel(), "distribution_title")
        self._title.setProperty("role", "title")
        self._facts = named(QLabel(textFormat=Qt.TextFormat.RichText), "distribution_facts")
        self._note = named(QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText), "distribution_note")
        for label in (self._facts, self._note):
            label.setProperty("role", "dim")
        self.bar = ViewBar(self)
        self._key = Key(theme, self)
        self.plot = ClipPlot(theme, self)
        self.plot.setObjectName("distribution_plot")
        self.strip = ChannelStrip(theme, self)
        for plot in (self.plot, self.strip):
            PlotSaver(plot)
        self._strip_title = QLabel(self.tr("Range of every output channel"))
        self._strip_title.setProperty("role", "section")
        self._empty = EmptyState(actions, self)
        self._build_layout()
        self._connect(theme)
        self._start_anew()

    def _build_layout(self) -> None:
        plots = QWidget(self)
        inner = QVBoxLayout(plots)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self._facts)
        inner.addWidget(self.plot, 3)
        inner.addWidget(self._note)
        inner.addWidget(self._strip_title)
        inner.addWidget(self.strip, 2)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(plots)
        self._stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(self._key)
        layout.addLayout(head)
        layout.addWidget(self.bar)
        layout.addWidget(self._stack, 1)

    def _connect(self, theme: Theme) -> None:
        session, bar, plot = self._session, self.bar, self.plot
        self._feed.focus_changed.connect(self._show)
        session.model_changed.connect(self._start_anew)
        session.selection_changed.connect(self._start_anew)
        session.plan_changed.connect(self._on_plan_changed)
        session.data_changed.connect(self._refresh)
        session.calibration_changed.connect(self._refresh)
        theme.changed.connect(self._show)
        bar.view_changed.connect(self._drop_preview)
        bar.log_toggled.connect(plot.set_log)
        bar.quantized_toggled.connect(plot.set_quantized_shown)
        bar.reset_requested.connect(self._reset)
        plot.clip_moved.connect(self._move)
        plot.clip_released.connect(self._commit)
        plot.step_requested.connect(self._step)
        plot.reset_requested.connect(self._reset)
        self.strip.channel_chosen.connect(bar.show_channel)

    # --- what is looked at ---------------------------------------------------------------------

    @property
    def _layer(self) -> LayerSummary | None:
        return self._session.layer(self._session.selected)

    @property
    def _choice(self) -> LayerPlan:
        plan, model, name = self._session.plan, self._session.model, self._session.selected
        if plan is None or model is None:
            return LayerPlan()
        if self.bar.subject == Subject.WEIGHTS or not self._has_static_kernel:
            return plan.layer(name)
        return replace(plan.layer(name), input_range=find_input_range(plan, self._find_readers(plan, model)))

    def _find_readers(self, plan: Plan, model: ModelSummary) -> tuple[str, ...]:
        """The layers that share the selected one's input range; found once per plan, as a drag asks often."""
        name = self._session.selected
        known_plan, known_name, found = self._readers
        if known_plan is not plan or known_name != name:
            found = find_layers_on_source(model, plan, name)
            self._readers = (plan, name, found)
        return found

    @property
    def _has_static_kernel(self) -> bool:
        layer = self._layer
        return layer is not None and Kernel.QLINEAR in layer.kernels

    @property
    def _previewed(self) -> LayerPlan:
        """The choice that is on its way, else that of the plan."""
        if self._range is not None:
            return replace(self._choice, input_range=self._range)
        return self._choice if self._share is None else with_clip(self._choice, self._share)

    def _start_anew(self) -> None:
        layer = self._layer
        self._shown = None
        self.bar.set_channels(layer.channels if layer is not None else 0)
        self._drop_preview()

    def _drop_preview(self) -> None:
        self._share = self._range = None
        self._refresh()

    def _on_plan_changed(self, _names: frozenset[str]) -> None:
        self._drop_preview()

    def _refresh(self, *, is_preview: bool = False) -> None:
        """Ask for what is to be seen, and show what is known of it."""
        request = self._build_request() if self.isVisible() and not self._describe_missing() else None
        self._feed.focus(request, is_preview=is_preview)
        self._show()

    def _build_request(self) -> HistogramRequest | None:
        session = self._session
        if session.model is None or session.plan is None:
            return None
        if self.bar.subject == Subject.WEIGHTS:
            return self._feed.weight_request(self._previewed, self.bar.channel)
        if session.calibration is None:
            return None
        chosen = session.plan.with_layers({session.selected: self._previewed}).activation_range(session.selected)
        return ActivationHistogramRequest(session.model.path, session.selected, str(session.calibration.path), chosen)

    # --- showing -------------------------------------------------------------------------------

    def _describe_missing(self) -> str:
        """What has to be there before anything can be drawn, and how to get it; "" if it is."""
        layer = self._layer
        if layer is None:
            return self.tr("Select a layer in Layers × bits to see its weights and what it reads.")
        if self.bar.subject == Subject.WEIGHTS:
            return ""
        if not self._has_static_kernel:
            return self.tr(
                "{detail} has no static integer kernel, so nothing of its input is fixed in the file."
            ).format(detail=layer.detail)
        if self._session.data is None:
            return self.tr("What a layer reads is only known from data. Choose calibration data, then collect.")
        if self._session.calibration is None:
            return self.tr("Run the calibration data once, to see what every layer reads and where it is clipped.")
        return ""

    def _show(self) -> None:
        layer = self._layer
        self._title.setText(layer.title if layer else self.tr("No layer selected"))
        absence = self._describe_missing() or self._feed.problem
        is_input = self.bar.subject == Subject.INPUTS
        needs_data = is_input and self._has_static_kernel
        data = self._session.data
        self._empty.show_text(
            absence,
            offers_data=needs_data and data is None,
            offers_collecting=needs_data and data is not None and self._session.calibration is None,
        )
        self._stack.setCurrentIndex(1 if absence else 0)
        self.bar.set_channels_shown(not is_input)
        for widget in (self.strip, self._strip_title):
            widget.setVisible(not is_input)
        found = self._feed.focused
        if found is None and self._is_close_to_shown():
            return  # the next picture is on its way: no flicker
        self._shown = found
        self.plot.show_histogram(found)
        self._facts.setText(describe_figures(found) if found is not None else self.tr("Reading…"))
        if not is_input:
            self.strip.show_channels(found if isinstance(found, WeightHistogram) else None, self.bar.channel)
        self._show_range()

    def _is_close_to_shown(self) -> bool:
        """Whether what is drawn is the same values under another range."""
        shown = self._shown
        if shown is None or shown.layer != self._session.selected:
            return False
        if isinstance(shown, ActivationHistogram):
            return self.bar.subject == Subject.INPUTS
        return self.bar.subject == Subject.WEIGHTS and shown.channel == self.bar.channel

    def _show_range(self) -> None:
        """Handles, their note and the button that takes them back."""
        found, choice = self._shown, self._previewed
        can_clip = found is not None and bool(found.grid)
        if isinstance(found, ActivationHistogram):
            can_clip = choice.kernel == Kernel.QLINEAR
            self._note.setText(self._describe_input(choice))
            self.bar.set_automatic(can_clip and choice.input_range is not None)
        elif found is not None:
            self._note.setText(
                describe_weight_range(choice, found)
                if found.grid
                else self.tr("Floats are not rounded to a grid. Give the layer 8, 4 or 2 bits to see one.")
            )
            self.bar.set_automatic(choice.weights.is_integer and choice.weights.clip is not None)
        else:
            self._note.setText(EMPTY_LINE)
            self.bar.set_automatic(False)
        if found is None or not found.grid:
            self.plot.set_handles_shown(lower=False, upper=False, movable=False)
            return
        self.plot.set_handles_shown(lower=found.full_min < 0, upper=found.full_max > 0, movable=can_clip)
        if not self.plot.is_dragging:
            self.plot.place_handles(*self._current_ends(found))

    def _describe_input(self, choice: LayerPlan) -> str:
        session = self._session
        if choice.kernel != Kernel.QLINEAR or session.model is None or session.plan is None:
            return self.tr(
                "The {kernel} kernel does not fix this range. With the qlinear kernel, the lines can be dragged."
            ).format(kernel=choice.kernel)
        names = self._find_readers(session.plan, session.model)
        titles = tuple(session.model.layer_by_name[name].title for name in names if name != session.selected)
        return describe_input_range(choice.input_range is not None, titles)

    def _current_ends(self, found: AnyHistogram) -> Range:
        """Where the handles belong."""
        if self._share is not None:
            return clip_ends(found, self._share)
        return self._range or (found.range_min, found.range_max)

    # --- editing -------------------------------------------------------------------------------

    def _move(self, position: float, is_upper: bool) -> None:  # noqa: FBT001 - a slot
        found = self._shown
        if isinstance(found, WeightHistogram):
            self._share = clip_share(found, position, is_upper=is_upper)
        elif found is not None:
            current = self._range or self._choice.input_range or (found.automatic_min, found.automatic_max)
            self._range = moved_range(found, current, position, is_upper=is_upper)
        else:
            return
        self.plot.place_handles(*self._current_ends(found))
        self._refresh(is_preview=True)

    def _step(self, is_upper: bool, direction: int) -> None:  # noqa: FBT001 - a slot
        found = self._shown
        if found is not None:
            step = direction * STEP_SHARE * (found.full_max if is_upper else -found.full_min)
            self._move(self._current_ends(found)[is_upper] + step, is_upper)

    def _commit(self) -> None:
        """Put what was previewed into the plan, as one step."""
        share, chosen = self._share, self._range
        if share is not None:
            text = self.tr("clip {percent:.1f} %").format(percent=100 * share)
            self._session.edit_layer(self._session.selected, with_clip(self._choice, share), text)
        elif chosen is not None:
            self._set_input_range(
                chosen, self.tr("input range {low:.3g} … {high:.3g}").format(low=chosen[0], high=chosen[1])
            )
        self._drop_preview()

    def _reset(self) -> None:
        """Back to the range that is found without the user."""
        self._share = self._range = None
        if self.bar.subject == Subject.WEIGHTS:
            self._session.edit_layer(self._session.selected, with_clip(self._choice, None), self.tr("automatic clip"))
        else:
            self._set_input_range(None, self.tr("automatic input range"))

    def _set_input_range(self, wanted: Range | None, what: str) -> None:
        session, layer = self._session, self._layer
        if session.plan is not None and session.model is not None and layer is not None:
            plan = with_input_range(session.plan, self._find_readers(session.plan, session.model), wanted)
            session.change_plan(plan, f"{layer.title} {what}")

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._refresh()

    @override
    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._feed.focus(None)
