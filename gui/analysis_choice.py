"""How the user wants the layers to be measured."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan import Plan
from engine.requests.analysis import AnalysisMethod, AnalyzeRequest
from engine.requests.data import DataChoice

DEFAULT_SAMPLES = 64


@dataclass(frozen=True)
class AnalysisChoice:
    """What the dialog asks.

    Attributes:
        is_racing, is_fresh: as in `AnalyzeRequest`; for the exact method only.
    """

    method: AnalysisMethod = AnalysisMethod.QUICK
    samples: int = DEFAULT_SAMPLES
    is_racing: bool = False
    is_fresh: bool = False

    def build_request(self, model: str, data: DataChoice, plan: Plan) -> AnalyzeRequest:
        """The request that measures so."""
        is_exact = self.method == AnalysisMethod.EXACT
        return AnalyzeRequest(
            model,
            data,
            plan,
            samples=self.samples,
            method=self.method,
            is_racing=self.is_racing and is_exact,
            is_fresh=self.is_fresh and is_exact,
        )
