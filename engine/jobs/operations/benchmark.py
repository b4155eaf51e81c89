"""Timing models and layers, and what keeps a result from being faster."""

from __future__ import annotations

from engine.benchmark import benchmark
from engine.bottlenecks.finding import find_bottlenecks
from engine.bottlenecks.report import Bottlenecks
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.latency.figures import Latencies
from engine.latency.measuring import measure_latencies
from engine.requests.benchmark import BenchmarkRequest, BottlenecksRequest, LatencyRequest


def run_latency(request: LatencyRequest, context: JobContext) -> Latencies:
    """Time the layers."""
    return measure_latencies(open_cached(request.model), request, context)


def run_bottlenecks(request: BottlenecksRequest, context: JobContext) -> Bottlenecks:
    """Find what keeps a result from being faster than its float model."""
    return find_bottlenecks(open_cached(request.model), request, context)


OPERATIONS: Operations = {
    BenchmarkRequest: benchmark,
    BottlenecksRequest: run_bottlenecks,
    LatencyRequest: run_latency,
}
