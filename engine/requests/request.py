"""Everything that a job can be asked for."""

from __future__ import annotations

from engine.requests.allocation import AllocateRequest, FrontRequest, PolishRequest
from engine.requests.analysis import AnalyzeRequest, CalibrateRequest, DiagnoseRequest, ForecastRequest
from engine.requests.benchmark import BenchmarkRequest, BottlenecksRequest, LatencyRequest
from engine.requests.comparison import ChangedSamplesRequest, LayerErrorsRequest
from engine.requests.conversion import ConvertRequest, EvaluateRequest
from engine.requests.data import CheckRequest, DataRequest, PreviewRequest, SplitRequest
from engine.requests.handing_over import BundleRequest, ReportRequest
from engine.requests.histograms import ActivationHistogramRequest, WeightHistogramRequest
from engine.requests.opening import FitRequest, GraphRequest, OpenRequest
from engine.requests.recovery import RecoverForecastRequest, RecoverRequest

Request = (
    OpenRequest
    | DataRequest
    | SplitRequest
    | PreviewRequest
    | CheckRequest
    | FitRequest
    | GraphRequest
    | WeightHistogramRequest
    | ActivationHistogramRequest
    | CalibrateRequest
    | AnalyzeRequest
    | DiagnoseRequest
    | ForecastRequest
    | AllocateRequest
    | FrontRequest
    | PolishRequest
    | ConvertRequest
    | EvaluateRequest
    | BenchmarkRequest
    | LayerErrorsRequest
    | ChangedSamplesRequest
    | BottlenecksRequest
    | LatencyRequest
    | BundleRequest
    | ReportRequest
    | RecoverRequest
    | RecoverForecastRequest
)
