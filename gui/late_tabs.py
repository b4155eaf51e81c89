"""Tabs whose pages are built when they are first shown or asked for: plots are slow to make, and start is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QTabWidget, QWidget

from gui.naming import named

PageT = TypeVar("PageT", bound=QWidget)


class LatePage(Generic[PageT]):
    """One page and the empty widget that keeps its place until it is built."""

    def __init__(self, tabs: QTabWidget, build: Callable[[], PageT], name: str) -> None:
        self._tabs, self._build = tabs, build
        self._page: PageT | None = None
        self.place = named(QWidget(tabs), name)

    @property
    def page(self) -> PageT:
        """The page, in its place among the tabs."""
        if self._page is None:
            self.place.setObjectName("")
            self._page = self._build()
            index, is_current = self._tabs.indexOf(self.place), self._tabs.currentWidget() is self.place
            text, tip = self._tabs.tabText(index), self._tabs.tabToolTip(index)
            with QSignalBlocker(self._tabs):
                self._tabs.insertTab(index, self._page, text)
                self._tabs.setTabToolTip(index, tip)
                self._tabs.removeTab(index + 1)
                if is_current:
                    self._tabs.setCurrentIndex(index)
            self.place.deleteLater()
        return self._page


class LateTabs(QTabWidget):
    """A tab widget that takes pages to be built later."""

    def __init__(self, parent: QWidget, *, documentMode: bool) -> None:  # noqa: N803  as Qt names it
        super().__init__(parent, documentMode=documentMode)
        self._late: list[LatePage[QWidget]] = []
        self.currentChanged.connect(self._build_current)

    def add_late(self, build: Callable[[], PageT], name: str, text: str) -> LatePage[PageT]:
        """Add a tab whose page `build` makes when it is first shown; `name` is the page's object name."""
        late = LatePage(self, build, name)
        self._late.append(late)  # type: ignore[arg-type]
        self.addTab(late.place, text)
        return late

    def _build_current(self, index: int) -> None:
        shown = self.widget(index)
        for late in self._late:
            if late.place is shown:
                late.page.show()
                return
