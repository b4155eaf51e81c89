"""The quantization engine of Bitsmith: everything a headless user needs, no Qt anywhere below.

The steps of the loop are plain functions over plain data, one per module::

    from engine.model.opening import open_model
    from engine.data.dataset import open_dataset
    from engine.calibration.collection import calibrate
    from engine.sensitivity.quick import analyze_quick
    from engine.allocation import allocate
    from engine.conversion.convert import convert
    from engine.evaluation import evaluate
    from engine.benchmark import benchmark

``engine.requests`` bundles the same steps as requests that a worker process runs for the
window and the command line.
"""

import os

__version__ = "0.1.0"
# ONNX Runtime would keep a record of what is run on this computer, and send it, from 1.31 on; it looks when imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
