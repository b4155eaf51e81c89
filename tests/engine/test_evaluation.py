"""Metrics against their plain definitions."""

import math
from pathlib import Path

import numpy as np
import onnx
import pytest

from engine.comparison import OutputComparison
from engine.data.dataset import Batch
from engine.errors import DataError, ModelError
from engine.evaluation import TaskMetrics, evaluate
from engine.job_context import JobContext
from engine.requests.conversion import EvaluateRequest
from engine.requests.data import DataChoice

ASSETS = Path(__file__).parents[3] / "shared" / "assets"


def write_linear(path: Path, weight: np.ndarray) -> str:
    size, classes = weight.shape
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[batch,{size}] x) => (float[batch,{classes}] y) '
        "{ y = MatMul(x, w) }"
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight.astype(np.float32), "w"))
    onnx.save(model, path)
    return str(path)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def test_that_every_metric_follows_its_definition(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(70, 8)), rng.integers(0, 7, 70)
    weight = rng.normal(size=(8, 7))
    noisy = weight + 0.3 * rng.normal(size=(8, 7))
    np.savez(tmp_path / "d.npz", x=x, y=labels)
    request = EvaluateRequest(
        write_linear(tmp_path / "test.onnx", noisy),
        DataChoice(str(tmp_path / "d.npz")),
        write_linear(tmp_path / "ref.onnx", weight),
    )
    result = evaluate(request, JobContext())
    ref, test = x @ weight, x @ noisy
    assert result.samples == 70
    assert result.top1 == pytest.approx(100 * (test.argmax(1) == labels).mean())
    assert result.top5 == pytest.approx(100 * (np.argsort(-test, 1)[:, :5] == labels[:, None]).any(1).mean())
    assert result.reference_top1 == pytest.approx(100 * (ref.argmax(1) == labels).mean())
    assert result.agreement == pytest.approx(100 * (ref.argmax(1) == test.argmax(1)).mean())
    assert result.sqnr_db == pytest.approx(10 * np.log10((ref**2).sum() / ((ref - test) ** 2).sum()), rel=1e-5)
    cosine = (ref * test).sum(1) / np.linalg.norm(ref, axis=1) / np.linalg.norm(test, axis=1)
    assert result.cosine == pytest.approx(cosine.mean(), rel=1e-5)
    kl = (np.exp(log_softmax(ref)) * (log_softmax(ref) - log_softmax(test))).sum(1).mean()
    assert result.kl == pytest.approx(kl, rel=1e-4)
    assert result.perplexity is None


def test_that_perplexity_is_exp_of_the_mean_negative_log_likelihood() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(2, 3, 6)), rng.integers(0, 6, (2, 3))
    metrics = TaskMetrics()
    metrics.update([logits], Batch({}, None, targets, 2))
    chosen = np.take_along_axis(log_softmax(logits), targets[..., None], axis=-1)
    assert metrics.perplexity == pytest.approx(np.exp(-chosen.mean()))
    assert metrics.top1 is None


def test_that_equal_models_have_infinite_sqnr(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.ones((3, 4)))
    model = write_linear(tmp_path / "m.onnx", np.eye(4))
    result = evaluate(EvaluateRequest(model, DataChoice(str(tmp_path / "d.npz")), model), JobContext())
    assert (result.sqnr_db, result.agreement, result.kl, result.top1) == (math.inf, 100.0, 0.0, None)


def test_that_outputs_of_other_shapes_and_wrong_labels_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.ones((3, 4)), y=[0, 1, 9])
    model = write_linear(tmp_path / "m.onnx", np.eye(4))
    other = write_linear(tmp_path / "o.onnx", np.ones((4, 10)))
    with pytest.raises(DataError, match="Label 9 is outside the model's 4 classes"):
        evaluate(EvaluateRequest(model, DataChoice(str(tmp_path / "d.npz"))), JobContext())
    data = DataChoice(str(tmp_path / "u.npz"))
    np.savez(tmp_path / "u.npz", x=np.ones((3, 4)))
    with pytest.raises(ModelError, match=r"outputs of shape \[3, 10\].*\[3, 4\]"):
        evaluate(EvaluateRequest(other, data, model), JobContext())
    with pytest.raises(DataError, match="no labels"):
        evaluate(EvaluateRequest(model, data), JobContext())


def test_that_non_finite_outputs_are_counted_and_end_the_sqnr() -> None:
    comparison = OutputComparison()
    reference = np.array([[1.0, -np.inf], [1.0, 2.0]], np.float32)
    test = np.array([[1.0, -np.inf], [np.nan, 2.0]], np.float32)
    comparison.update([reference], [reference], 2)
    assert (comparison.non_finite, comparison.sqnr_db) == (0, math.inf)
    comparison.update([reference], [test], 2)
    assert (comparison.non_finite, comparison.sqnr_db, comparison.kl) == (1, -math.inf, math.inf)


def test_that_probabilities_are_not_put_through_softmax_again() -> None:
    p, q = np.array([[0.7, 0.2, 0.1]]), np.array([[0.5, 0.3, 0.2]])
    comparison = OutputComparison()
    comparison.update([p], [q], 1)
    assert comparison.kl == pytest.approx(float((p * np.log(p / q)).sum()))


@pytest.mark.assets
@pytest.mark.skipif(not ASSETS.is_dir(), reason=f"{ASSETS} is absent")
@pytest.mark.parametrize(
    ("model", "data", "preprocess", "samples", "metric", "expected"),
    [
        ("kws_dscnn", "kws_mfcc_500.npz", None, 500, "top1", 90.4),
        ("mnist_cntk", "mnist_test_5000.npz", "mnist", 5000, "top1", 98.3),
        ("cifar10_resnet20", "cifar10_test_5000.npz", "cifar10", 5000, "top1", 81.28),
        ("imagenet_mobilenet_v2_dequant_ptq", "imagenet_500", "mobilenet_v2", 500, "top1", 87.2),
        ("imagenet_squeezenet1.1", "imagenet_500", "squeezenet", 500, "top1", 59.8),
        ("stories260K", "tinystories_tok512_seq257.npz", None, 211, "perplexity", 4.78),
    ],
)
def test_that_reference_figures_are_reproduced(
    model: str, data: str, preprocess: str | None, samples: int, metric: str, expected: float
) -> None:
    prepare = str(ASSETS / "data" / f"{preprocess}.preprocess.json") if preprocess else None
    choice = DataChoice(str(ASSETS / "data" / data), prepare)
    request = EvaluateRequest(str(ASSETS / "models" / f"{model}.onnx"), choice, samples=samples)
    assert getattr(evaluate(request, JobContext()), metric) == pytest.approx(expected, abs=0.005)
