"""The Qt style sheet: shapes and spacing; its colours come from the palette by name."""

from __future__ import annotations

import dataclasses
from string import Template
from typing import TYPE_CHECKING

from gui.resource_files import ICONS

if TYPE_CHECKING:
    from gui.theme import Palette

TEMPLATE = Template("""
* { font-size: 13px; }
QDialogButtonBox, QMessageBox { dialogbuttonbox-buttons-have-icons: 0; messagebox-text-interaction-flags: 5; }
QMainWindow, QDialog, QMessageBox { background: $window; }
QToolTip { background: $panel; color: $text; border: 1px solid $line; padding: 4px 6px; }
QMenuBar { background: $panel; color: $text; border-bottom: 1px solid $line; }
QMenuBar::item { padding: 4px 9px; background: transparent; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $panel; color: $text; border: 1px solid $line; padding: 4px; }
QMenu::item { padding: 5px 28px 5px 22px; border-radius: 4px; }
QMenu::item:selected { background: $selection; }
QMenu::item:disabled { color: $text_disabled; }
QMenu::separator { height: 1px; background: $line; margin: 4px 6px; }
QToolBar { background: $panel; border: none; border-bottom: 1px solid $line; padding: 6px 8px; spacing: 2px; }
QToolBar QToolButton { color: $text; font-weight: 600; padding: 7px 9px; border-radius: 6px; border: none; }
QToolBar QToolButton:hover { background: $hover; }
QToolBar QToolButton:pressed { background: $selection; }
QToolBar QToolButton:disabled { color: $text_disabled; }
QToolBar QToolButton[next_step="true"] { background: $accent; color: $on_accent; }
QToolBar QToolButton[next_step="true"]:hover { background: $accent_hover; }
QToolBar QToolButton[next_step="true"]:disabled { background: $field; color: $text_disabled; }
QLabel[chip="todo"] { color: $text_dim; border: 1px solid $line; border-radius: 12px; padding: 3px 8px; }
QLabel[chip="done"] { color: $good; border: 1px solid $good_line; border-radius: 12px; padding: 3px 8px; }
QLabel[chip="active"] { color: $caution; border: 1px solid $caution_line; border-radius: 12px; padding: 3px 8px; }
QLabel[role="title"] { font-size: 14px; font-weight: 600; color: $text; }
QLabel[role="big_title"] { font-size: 26px; font-weight: 600; color: $text; }
QLabel[role="section"] { font-weight: 600; color: $text; }
QLabel[role="dim"] { color: $text_dim; }
QLabel[role="value"] { color: $text; font-weight: 600; }
QLabel[role="good"] { color: $good; }
QLabel[role="bad"] { color: $bad; }
QLabel[role="problem"] { color: $caution; background: $caution_field; border: 1px solid $caution_line;
    border-radius: 6px; padding: 6px 8px; }
QTabWidget::pane { border: none; }
QTabBar { background: transparent; qproperty-drawBase: 0; }
QTabBar::tab { color: $text_dim; padding: 8px 14px; border: none; border-top: 2px solid transparent; }
QTabBar::tab:selected { color: $text; background: $window; border-top: 2px solid $accent; }
QTabBar::tab:hover:!selected { color: $text; }
QTabBar::tab:disabled { color: $text_disabled; }
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox { background: $field; color: $text; border: 1px solid $line;
    border-radius: 5px; padding: 4px 8px; min-height: 20px; selection-background-color: $accent; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus, QPushButton:focus { border-color: $accent; }
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled { color: $text_disabled; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox::down-arrow { image: url($icons/chevron_$name.svg); width: 10px; height: 10px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { subcontrol-origin: border; border: none; width: 20px; }
QAbstractSpinBox::up-button { subcontrol-position: top right; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; }
QAbstractSpinBox::up-arrow { image: url($icons/chevron_up_$name.svg); width: 9px; height: 9px; }
QAbstractSpinBox::down-arrow { image: url($icons/chevron_$name.svg); width: 9px; height: 9px; }
QComboBox QAbstractItemView { background: $panel; color: $text; border: 1px solid $line;
    selection-background-color: $selection; selection-color: $text; outline: none; }
QPushButton { background: $field; color: $text; border: 1px solid $line; border-radius: 5px; padding: 5px 14px;
    min-height: 20px; }
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $selection; }
QPushButton:disabled { color: $text_disabled; }
QPushButton:default, QPushButton[primary="true"] { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton:default:hover, QPushButton[primary="true"]:hover { background: $accent_hover; }
QPushButton:default:disabled, QPushButton[primary="true"]:disabled { background: $field; color: $text_disabled;
    border-color: $line; }
QPushButton[link="true"] { text-align: left; background: transparent; border: none; padding: 6px 8px; }
QPushButton[link="true"]:hover { background: $hover; }
QPushButton[link="true"]:focus { border: 1px solid $accent; padding: 5px 7px; }
QCheckBox, QRadioButton { color: $text; spacing: 7px; }
QCheckBox::indicator { width: 14px; height: 14px; border: 1px solid $text_disabled; border-radius: 4px;
    background: $field; }
QRadioButton::indicator { width: 12px; height: 12px; border: 1px solid $text_disabled; border-radius: 7px;
    background: $field; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url($icons/check.svg); }
QRadioButton::indicator:checked { background: $accent; border-color: $accent; }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border-color: $accent; }
QCheckBox:disabled, QRadioButton:disabled { color: $text_disabled; }
QGroupBox { border: 1px solid $line; border-radius: 6px; margin-top: 18px; padding: 8px; color: $text; }
QGroupBox::title { subcontrol-origin: margin; left: 2px; top: 0px; font-weight: 600; }
QHeaderView { background: $window; border: none; }
QHeaderView::section { background: $window; color: $text_dim; border: none; border-bottom: 1px solid $line;
    padding: 5px 8px; }
QTableView { background: $window; color: $text; border: none; gridline-color: transparent; outline: none;
    selection-background-color: $selection; selection-color: $text; alternate-background-color: $panel; }
QTableView::item { border-bottom: 1px solid $cell_empty; padding: 0 5px; }
QTableView::item:selected { background: $selection; color: $text; }
QTableView::indicator { width: 12px; height: 12px; border: 1px solid $text_disabled; border-radius: 3px;
    background: $field; }
QTableView::indicator:checked { background: $accent; border-color: $accent; image: url($icons/check.svg); }
QPlainTextEdit { background: $field; color: $text; border: 1px solid $line; border-radius: 5px; }
QProgressBar { background: $field; border: none; border-radius: 4px; max-height: 8px; min-height: 8px; }
QProgressBar::chunk { background: $accent; border-radius: 4px; }
QSlider::groove:horizontal { height: 4px; background: $line; border-radius: 2px; }
QSlider::handle:horizontal { width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: $accent; }
QSlider::handle:horizontal:focus { background: $accent_hover; border: 1px solid $text; }
QScrollBar:vertical { background: transparent; width: 11px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 11px; margin: 0; }
QScrollBar::handle { background: $line; border-radius: 4px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: $text_disabled; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QScrollArea { border: none; background: transparent; }
QSplitter::handle { background: $line; }
QSplitter::handle:horizontal { width: 1px; }
#inspector, #inspector_content { background: $panel; }
QFrame[card="true"] { background: $panel; border: 1px solid $line; border-radius: 6px; }
#why_content { background: $window; }
QListWidget { background: $window; color: $text; border: none; outline: none; }
QListWidget::item:selected { background: $selection; color: $text; }
#diagnosis_box { background: $caution_field; border: 1px solid $caution_line; border-radius: 6px; }
#diagnosis_box QLabel { color: $caution; }
#diagnosis_box QPushButton { background: transparent; color: $caution; border-color: $caution_line; font-size: 12px;
    padding: 2px 5px; min-height: 18px; }
#diagnosis_box QPushButton:hover { background: $hover; }
#diagnosis_box QPushButton:focus { border-color: $accent; }
#diagnosis_box[quiet="true"] { background: $field; border-color: $line; }
#diagnosis_box[quiet="true"] QLabel { color: $text_dim; }
#tab_header { background: $panel; }
#restore_bar { background: $caution_field; border-bottom: 1px solid $caution_line; }
#restore_bar QLabel { color: $caution; }
#job_panel { background: $panel; border-top: 1px solid $line; }
#live_bar { background: $panel; border-top: 1px solid $line; }
#drop_hint { color: $text_dim; border: 2px dashed $line; border-radius: 10px; padding: 26px; }
#tabs { background: $window; }
#tradeoff_plot, #distribution_plot, #channel_ranges { border: 1px solid $window; }
#tradeoff_plot:focus, #distribution_plot:focus, #channel_ranges:focus { border: 1px solid $accent; }
""")


def build_stylesheet(colors: Palette) -> str:
    """The style sheet in these colours."""
    names = {item.name: getattr(colors, item.name) for item in dataclasses.fields(colors)}
    return TEMPLATE.substitute(names, icons=ICONS.as_posix())
