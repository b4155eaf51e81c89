"""Tabs whose pages are built when they are first shown or asked for: plots are slow to make, and start is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QTabWidget, QWidget

from gui.naming import named
from gui.turns import Piece

PageT = TypeVar("PageT", bound=QWidget)


class LatePage(Generic[PageT]):
    """One page and the empty widget that keeps its place until it is built."""

    def __init__(self, tabs: LateTabs, build: Callable[[], PageT], name: str) -> None:
        self._tabs, self._build = tabs, build
        self._page: PageT | None = None
        self._is_placed = False
        self.place = named(QWidget(tabs), name)
        self._building = Piece(self._build_if_current, self.place)
        self._placing = Piece(self._place_if_current, self.place)

    @property
    def page(self) -> PageT:
        """The page, in its place among the tabs."""
        page = self._ensure_built()
        if not self._is_placed:
            self._is_placed = True
            index, is_current = self._tabs.indexOf(self.place), self._is_current
            text, tip = self._tabs.tabText(index), self._tabs.tabToolTip(index)
            with QSignalBlocker(self._tabs):
                self._tabs.insertTab(index, page, text)
                self._tabs.setTabToolTip(index, tip)
                self._tabs.removeTab(index + 1)
                if is_current:
                    self._tabs.setCurrentIndex(index)
            self.place.deleteLater()
        return page

    def show(self) -> None:
        """Go to its tab; the page may follow in a later turn."""
        self._tabs.setCurrentWidget(self.page if self._is_placed else self.place)

    def build_later(self) -> None:
        """Build the page in one turn, and show it in another one, unless the user looks elsewhere by then."""
        self._building.run_later()

    @property
    def _is_current(self) -> bool:
        return self._tabs.currentWidget() is self.place

    def _build_if_current(self) -> None:
        if self._is_current:
            self._ensure_built()
            self._placing.run_later()

    def _place_if_current(self) -> None:
        if self._is_current:
            self.page.show()

    def _ensure_built(self) -> PageT:
        if self._page is None:
            self.place.setObjectName("")
            self._page = self._build()
            self._tabs.page_built.emit(self._page)
        return self._page


class LateTabs(QTabWidget):
    """A tab widget that takes pages to be built later.

    Signals:
        page_built(QWidget): a page has been built, and is not shown yet.
    """

    page_built = Signal(QWidget)

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
                late.build_later()
                return
