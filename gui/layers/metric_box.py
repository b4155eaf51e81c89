"""The selector of what the cells show."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QWidget

from engine.sensitivity.matrix import Metric
from gui.metrics import metric_title
from gui.session import Session


class MetricBox(QComboBox):
    """Offers the metrics that were measured; before that, what Analyse measures first."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("metric")
        self.setAccessibleName(self.tr("Metric of the cells"))
        self.setToolTip(self.tr("What the cells show; Analyse by another method measures other metrics"))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._session = session
        session.metric_changed.connect(self._show)
        self.activated.connect(lambda _index: session.set_metric(Metric(self.currentData())))
        self._show()

    def _show(self) -> None:
        offered = self._session.metrics or (self._session.metric,)
        if offered != tuple(self.itemData(at) for at in range(self.count())):
            self.clear()
            for metric in offered:
                self.addItem(self.tr("Metric: {name}").format(name=metric_title(metric)), metric)
        self.setCurrentIndex(offered.index(self._session.metric))
