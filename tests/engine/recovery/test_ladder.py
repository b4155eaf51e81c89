"""What each rung adds to a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.job_context import JobContext
from engine.numerics.schemes import Kernel, WeightScheme
from engine.plan import LayerPlan, Plan
from engine.recovery.forecast import count_steps
from engine.recovery.ladder import TRAINING_STEPS, take_rung
from engine.recovery.targets import Rung
from tests.engine.conversion.cases import open_with_data
from tests.engine.models import conv_chain, plan_for


def steps_of(plan: Plan) -> tuple[int, int]:
    return plan.defaults.reconstruction_steps, plan.defaults.distillation_steps


def test_that_training_block_by_block_comes_before_training_as_a_whole_and_stays(tmp_path: Path) -> None:
    rungs = list(Rung)
    assert rungs.index(Rung.MIX) < rungs.index(Rung.RECONSTRUCT) < rungs.index(Rung.DISTILL)
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = plan_for(opened.model.summary, LayerPlan(WeightScheme(4), Kernel.QLINEAR))
    by_blocks = take_rung(Rung.RECONSTRUCT, plan)
    assert steps_of(by_blocks) == (TRAINING_STEPS[Rung.RECONSTRUCT], 0)
    assert steps_of(take_rung(Rung.RECONSTRUCT, plan, steps=7)) == (7, 0)
    assert steps_of(take_rung(Rung.DISTILL, by_blocks, steps=9)) == (TRAINING_STEPS[Rung.RECONSTRUCT], 9)


@pytest.mark.parametrize("rung", TRAINING_STEPS)
def test_that_steps_are_as_many_as_time_allows(rung: Rung, tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    assert opened.dataset is not None
    counts = [count_steps(rung, opened.model, opened.dataset, seconds, JobContext()) for seconds in (0.0, 1e6)]
    assert counts == [0, TRAINING_STEPS[rung]]
