"""A training that is left and taken up again, alone and shared."""

from pathlib import Path

import pytest
import torch

from lava_ssm.nn import NS4D, export
from lava_ssm.train import RandomAffine, Recipe, Training, checkpoint, evaluate
from tests.nn.test_ns4d import toy


def training(**changes: object) -> Training:
    x, y = toy()
    torch.manual_seed(0)
    model = NS4D(1, 8, 4, 1, 2, readout="last", dt_min=0.05, dt_max=0.5)
    recipe = Recipe(**{"epochs": 3, "batch_size": 9, "seed": 5, **changes})  # type: ignore[arg-type]
    return Training(model, x, y, recipe, RandomAffine((4, 3), turn=10, shift=0.5))


@pytest.mark.parametrize("leave_after", [1, 5, 7, 14])
def test_a_training_taken_up_again_equals_one_never_left(leave_after: int, tmp_path: Path) -> None:
    whole = training()
    while whole.step < whole.steps:
        whole.advance()
    first = training()
    for _ in range(leave_after):
        first.advance()
    checkpoint.write(tmp_path / "state", first.state())
    second = training()
    second.restore(checkpoint.read(tmp_path / "state"))
    while second.step < second.steps:
        second.advance()
    assert second.history == whole.history
    assert export(second.model) == export(whole.model)


def test_the_seed_decides_what_is_drawn() -> None:
    runs = [training(seed=seed) for seed in (5, 5, 6)]
    losses = [[run.advance().loss for _ in range(3)] for run in runs]
    assert losses[0] == losses[1] != losses[2]


def test_half_precision_learns_nearly_the_same() -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        run = training(precision=precision, epochs=20)
        while run.step < run.steps:
            run.advance()
        losses.append([epoch.loss for epoch in run.history])
        assert all(p.dtype is torch.float32 for p in run.model.parameters())
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1][-1] < 0.7 * losses[1][0]


def test_evaluation_is_the_mean_over_samples() -> None:
    x, y = toy()
    model = training().model
    accuracy, loss = evaluate(model, x, y, batch_size=7)
    with torch.no_grad():
        logits = model(x)
    assert accuracy == pytest.approx(float((logits.argmax(-1) == y).float().mean()))
    assert loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, y)), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("ssm_lr", -1.0),
        ("weight_decay", -0.1),
        ("label_smoothing", 1.5),
        ("warm_up", 1.0),
        ("precision", "float16"),
    ],
)
def test_a_recipe_names_what_is_out_of_range(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Recipe(**{"epochs": 1, name: value})  # type: ignore[arg-type]


def test_names_that_have_moved_from_nn_work_and_warn() -> None:
    from lava_ssm import nn, train

    for name in train.__all__:
        with pytest.warns(DeprecationWarning, match=rf"moved to lava_ssm\.train\.{name}$"):
            assert getattr(nn, name) is getattr(train, name)
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        nn.fitt  # noqa: B018
