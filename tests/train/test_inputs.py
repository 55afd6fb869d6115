"""What users give to a training: converted where nothing is lost, refused by name elsewhere."""

import io
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from lava_ssm.nn import NS4D, S5, SparseS5
from lava_ssm.train import (
    Denoising,
    DenoisingRecipe,
    Epoch,
    RandomAffine,
    Recipe,
    Training,
    accuracy,
    evaluate,
    fit,
    fit_epochs,
    fitting,
    match_level,
)
from lava_ssm.train import denoising as denoising_module
from lava_ssm.train.progress import Shown
from tests.nn.test_ns4d import toy


def small(d_output: int = 2, readout: str = "last") -> NS4D:
    torch.manual_seed(0)
    return NS4D(1, 4, 2, 1, d_output, readout=readout, dt_min=0.05, dt_max=0.5)


def losses(x: Any, y: Any, d_output: int = 2) -> list[Epoch]:
    return fit(small(d_output), x, y, epochs=2, batch_size=8).history


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x.numpy(),
        lambda x: x.double(),
        lambda x: x.numpy().astype(np.float64),
        lambda x: x.numpy().astype(">f4"),
        lambda x: x.numpy()[::-1][::-1],
        lambda x: torch.stack([x, x], -1)[..., 0],
        lambda x: x.clone().requires_grad_(),
        lambda x: torch.nn.Parameter(x),
        lambda x: x.tolist(),
        lambda x: np.broadcast_to(x.numpy(), x.shape),  # may not be written to
    ],
)
def test_sequences_of_any_real_type_are_taken(given: Callable[[torch.Tensor], Any]) -> None:
    x, y = toy()
    assert losses(given(x), y) == losses(x, y)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.uint8, torch.int16])
def test_sequences_of_few_bits_are_taken_for_their_values(kind: torch.dtype) -> None:
    x, y = toy()
    coarse = (10 * x.clamp(0, 9)).to(kind)
    assert losses(coarse, y) == losses(coarse.float(), y)


@pytest.mark.parametrize(
    "kind", [np.int8, np.int32, np.uint8, np.uint16, np.uint64, np.float32, np.float64, bool, list]
)
def test_labels_of_any_type_are_taken_if_they_are_whole(kind: Any) -> None:
    x, y = toy()
    given = y.tolist() if kind is list else y.numpy().astype(kind)
    assert losses(x, given) == losses(x, y)


def nan_at(x: torch.Tensor, *place: int, value: float = torch.nan) -> torch.Tensor:
    changed = x.clone().double()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (
            lambda x, y: (nan_at(x, 3, 5, 0), y),
            ValueError,
            r"x .* nan at \[3, 5, 0\].*sample 3",
        ),
        (lambda x, y: (nan_at(x, 2, 0, 0, value=-torch.inf), y), ValueError, "x must .*-inf.* 2"),
        (
            lambda x, y: (nan_at(x, 1, 0, 0, value=1e300), y),
            ValueError,
            r"x .*float32, got 1e\+30",
        ),
        (lambda x, y: (x[..., 0], y), ValueError, r"x must have shape \(samples, time, 1\), got"),
        (lambda x, y: (x[None], y), ValueError, r"x must have shape \(samples, time, 1\), got"),
        (lambda x, y: (x.repeat(1, 1, 3), y), ValueError, r"x must have shape .*, got .*3\)"),
        (lambda x, y: (x[:0], y[:0]), ValueError, "x: no samples"),
        (lambda x, y: (x[:, :0], y), ValueError, "x: no samples"),
        (
            lambda x, y: (x.to(torch.complex64), y),
            TypeError,
            "x must be real .*complex",
        ),
        (lambda x, y: (x > 0, y), TypeError, "x must be real numbers, got .*bool"),
        (lambda x, y: (x.numpy().astype(str), y), TypeError, "x must be real numbers, got .*<U"),
        (lambda x, y: ([[[1.0]], [1.0]], y), TypeError, "x must be an array"),
        (lambda x, y: (None, y), TypeError, "x must be numbers"),
        (lambda x, y: (x.to_sparse(), y), TypeError, "x must be real numbers, got .*sparse"),
        (lambda x, y: (np.ma.masked_less(x.numpy(), 0), y), TypeError, "x must have no mask"),
        (lambda x, y: (x, y[:-1]), ValueError, "as many labels as samples, got 39, 40"),
        (lambda x, y: (x, y + 1), ValueError, r"labels must be integers in \[0, 1\].*got 2 of"),
        (lambda x, y: (x, y - 1), ValueError, r"labels must be integers in \[0, 1\].*got -1 of"),
        (lambda x, y: (x, y + 0.5), ValueError, r"labels must .*; got 0.5 of sample 0"),
        (lambda x, y: (x, nan_at(y, 7)), ValueError, "labels must .*; got nan of sample 7"),
        (lambda x, y: (x, y.numpy() + 2.0**63), ValueError, "labels must .* of sample 0"),
        (lambda x, y: (x, torch.eye(2)[y]), ValueError, r"labels .*\(samples,\), .*one-hot"),
        (lambda x, y: (x, y[:, None]), ValueError, r"labels must have shape \(samples,\), got"),
        (lambda x, y: (x, ["a"] * len(x)), TypeError, "labels must be integers"),
        (lambda x, y: (x, np.ma.array(y, mask=y == 0)), TypeError, "labels must have no mask"),
        (lambda x, y: (x, None), TypeError, "labels must be (numbers|integers)"),
    ],
)
@pytest.mark.parametrize("door", [losses, lambda x, y: accuracy(small(), x, y)])
def test_what_cannot_be_learned_is_refused_by_name(
    given: Callable[[torch.Tensor, torch.Tensor], Any], kind: Any, text: str, door: Any
) -> None:
    with pytest.raises(kind, match=text):
        door(*given(*toy()))


def test_a_refused_training_has_changed_nothing() -> None:
    x, y = toy()
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bad = y.clone()
    bad[-1] = 2
    with pytest.raises(ValueError, match="labels"):
        fit(model, x, bad, epochs=1, batch_size=4)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_labels_from_one_are_classes_of_a_model_that_has_one_more() -> None:
    x, y = toy()
    assert len(losses(x, y + 1, d_output=3)) == 2


@pytest.mark.parametrize(
    "model",
    [
        lambda: SparseS5(1, 4, 4, 1, 2),
        lambda: small(readout="every"),
        lambda: torch.nn.Sequential(torch.nn.Linear(1, 3)),
    ],
)
def test_a_model_that_reads_out_every_token_is_no_classifier(
    model: Callable[[], torch.nn.Module],
) -> None:
    with pytest.raises(ValueError, match=r"model must give logits \(batch, classes\)"):
        fit(model(), *toy(), epochs=1)


class Last(torch.nn.Module):
    """A model of the user's own."""

    def __init__(self, d_input: int = 1) -> None:
        super().__init__()
        self.dropout, self.linear = torch.nn.Dropout(0.5), torch.nn.Linear(d_input, 2)
        self.seen: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(self.training)
        y: torch.Tensor = self.linear(self.dropout(x[:, -1] * torch.rand(())))
        return y


def test_a_model_of_another_kind_is_tried_before_the_first_step() -> None:
    x, y = toy()
    model = Last()
    torch.manual_seed(3)
    Training(model, x, y, Recipe(1))
    assert model.seen == [False]
    assert model.training
    after = torch.rand(())
    torch.manual_seed(3)
    assert after == torch.rand(())  # of what is drawn in training nothing was taken
    with pytest.raises(ValueError, match=r"labels must be integers in \[0, 1\]"):
        Training(model, x, y + 1, Recipe(1))
    with pytest.raises(ValueError, match=r"it does not take sequences of shape \(1, 12, 1\)"):
        Training(Last(2), x, y, Recipe(1))


def test_a_parameter_that_is_not_finite_is_named() -> None:
    model = small()
    torch.nn.init.constant_(model.get_parameter("layers.1.c"), torch.nan)
    with pytest.raises(ValueError, match=r"model: its layers\.1\.c is not finite"):
        fit(model, *toy(), epochs=1)
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got '"):
        fit("model", *toy(), epochs=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -5, True, 1.5, 2.0, "3", None, 10**30, np.float64(2)])
@pytest.mark.parametrize("recipe", [Recipe, DenoisingRecipe])
def test_numbers_of_things_are_whole_and_above_zero(name: str, value: Any, recipe: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be "):
        recipe(**{"epochs": 1, name: value})


@pytest.mark.parametrize("name", ["lr", "ssm_lr", "weight_decay", "warm_up"])
@pytest.mark.parametrize("value", [-0.1, True, "0.1", None, np.nan, np.inf, 1j])
@pytest.mark.parametrize("recipe", [Recipe, DenoisingRecipe])
def test_rates_are_finite_numbers(name: str, value: Any, recipe: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must lie in "):
        recipe(**{"epochs": 1, name: value})


@pytest.mark.parametrize("value", [True, 0.5, "1", None, 2**63])
def test_seeds_are_integers_of_64_bits(value: Any) -> None:
    with pytest.raises(ValueError, match="seed must be an integer"):
        Recipe(1, seed=value)


def test_numbers_of_numpy_are_as_good() -> None:
    given = Recipe(np.int64(2), batch_size=np.uint8(9), lr=np.float32(0.5), seed=np.int32(-4))  # type: ignore[arg-type]
    assert given == Recipe(2, batch_size=9, lr=0.5, seed=-4)
    assert type(given.epochs) is int


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: NS4D(True, 4, 2, 1, 2), "d_input"),
        (lambda: S5(4, 2.5), "d_state"),  # type: ignore[arg-type]
        (lambda: SparseS5(1, 4, 4, 1, 10**30), "d_output"),
        (lambda: SparseS5(1, 4, 4, 1, 2, dropout=np.nan), "dropout"),
        (lambda: RandomAffine((4, 3), turn=np.nan), "turn"),
        (lambda: RandomAffine((4, 3), scale=1.0), "scale"),
        (lambda: RandomAffine((4, 3), shift=-np.inf), "shift"),
        (lambda: DenoisingRecipe(snr=(5, -5)), "snr"),
        (lambda: DenoisingRecipe(snr=(np.nan, 5)), "snr"),
        (lambda: evaluate(small(), *toy(), batch_size=0), "batch_size"),
    ],
)
def test_impossible_numbers_are_named(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"{text} must "):
        make()


def test_an_array_given_to_a_model_itself_is_named() -> None:
    with pytest.raises(TypeError, match="x must be a tensor, got ndarray"):
        small()(toy()[0].numpy())


def test_fit_trains_without_being_asked_for_its_epochs(capfd: pytest.CaptureFixture[str]) -> None:
    x, y = toy()
    model = small()
    before = [p.clone() for p in model.parameters()]
    done = fit(model, x, y, epochs=3, batch_size=8)
    assert not all(map(torch.equal, before, model.parameters()))
    assert [epoch.number for epoch in done] == [1, 2, 3]
    assert list(done) == done.history == [done[0], *done[1:]]
    assert done.model is model
    assert not model.training
    assert f"loss {done[-1].loss:.4f}" in repr(done)
    assert capfd.readouterr() == ("", "")  # no terminal, no bar


def test_a_line_an_epoch_is_shown_if_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    done = fit(small(), *toy(), epochs=2, batch_size=8, progress=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f"epoch {e.number}/2, step {5 * e.number} of 10: loss {e.loss:.4f}, "
        f"accuracy {e.accuracy:.2%}"
        for e in done
    ]


def test_a_terminal_gets_a_bar() -> None:
    x, y = toy()
    training, text = Training(small(), x, y, Recipe(1, batch_size=8)), io.StringIO()
    with Shown(training, Console(file=text, force_terminal=True, width=100)) as shown:
        shown.step(training.advance())
    assert "━" in text.getvalue()
    assert "epoch 1/1" in text.getvalue()


def test_an_epoch_of_many_minutes_is_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = toy()
    training, text = Training(small(), x, y, Recipe(1, batch_size=8)), io.StringIO()
    seconds = itertools.count(step=25)
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    with Shown(training, Console(file=text, width=100)) as shown:
        for _ in range(5):
            shown.step(training.advance())
    assert [line.split(":")[0] for line in text.getvalue().splitlines()] == [
        "epoch 1/1, step 3 of 5"
    ]


def test_epochs_that_are_asked_for_one_by_one_are_those_of_fit() -> None:
    x, y = toy()
    model = small()
    before = [p.clone() for p in model.parameters()]
    going = fit_epochs(model, x, y, epochs=2, batch_size=8)
    assert all(map(torch.equal, before, model.parameters()))
    assert list(going) == losses(x, y)
    with pytest.raises(ValueError, match="epochs"):
        fit_epochs(model, x, y, epochs=0)  # at once


def test_measuring_a_model_leaves_its_mode() -> None:
    model = small()
    model.layers[1].eval()
    for measure in (accuracy, evaluate):
        measure(model, *toy())
        assert model.training
        assert not model.layers[1].training
    broken = Last()
    broken.linear.forward = None  # type: ignore[method-assign,assignment]
    with pytest.raises(ValueError, match="model: it does not take"):
        evaluate(broken, *toy())
    assert broken.training


def clips() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(1600) / rng.uniform(5, 20, (4, 1)))
    return clean + rng.normal(size=clean.shape), clean


def denoiser() -> SparseS5:
    torch.manual_seed(0)
    return SparseS5(257, 8, 8, 1, 257)


def test_clips_of_numpy_are_those_of_torch() -> None:
    found = []
    for given in (clips(), [torch.tensor(c, dtype=torch.float32) for c in clips()]):
        run = Denoising(denoiser(), *given, DenoisingRecipe(epochs=1, batch_size=2))
        steps = [run.advance() for _ in range(run.steps)]
        match_level(run.model, *given)
        found.append((steps, denoising_module.evaluate(run.model, *given).tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda z, s: (z[:, :-1], s), ValueError, "noisy, clean must have one shape"),
        (lambda z, s: (z[0], s[0]), ValueError, "noisy, clean must have one shape"),
        (lambda z, s: (z[:0], s[:0]), ValueError, "noisy, clean must have one shape"),
        (lambda z, s: (nan_at(torch.tensor(z), 1, 9), s), ValueError, r"noisy .*nan.*sample 1"),
        (lambda z, s: (z, np.where(s > 0.9, np.inf, s)), ValueError, "clean must be finite"),
        (lambda z, s: (z + 1j, s), TypeError, "noisy must be real"),
        (lambda z, s: (z, np.ma.masked_less(s, 0)), TypeError, "clean must have no mask"),
    ],
)
@pytest.mark.parametrize("door", [Denoising, match_level, denoising_module.evaluate])
def test_clips_that_cannot_be_used_are_refused_by_name(
    change: Any, kind: Any, text: str, door: Any
) -> None:
    with pytest.raises(kind, match=text):
        door(denoiser(), *change(*clips()))


def test_a_classifier_is_no_denoiser_and_silence_has_no_level() -> None:
    noisy, clean = clips()
    for model in (small(), SparseS5(257, 8, 8, 1, 257, readout="mean")):
        with pytest.raises(ValueError, match="model must have 257 channels in and out"):
            Denoising(model, noisy, clean)  # type: ignore[arg-type]
    model, before = denoiser(), denoiser().state_dict()
    with pytest.raises(ValueError, match="clean: nothing of it"):
        match_level(model, noisy, 0 * clean)
    assert all(map(torch.equal, model.state_dict().values(), before.values()))


def test_a_recipe_may_be_changed_by_replace() -> None:
    assert replace(Recipe(1), epochs=2) == Recipe(2)


def test_a_data_set_of_torch_is_gone_through_once() -> None:
    x, y = toy()
    wanted = losses(x, y)
    dataset = torch.utils.data.TensorDataset(x, y)
    for given in (dataset, torch.utils.data.DataLoader(dataset, batch_size=7)):
        assert fit(small(), given, epochs=2, batch_size=8).history == wanted
    with pytest.raises(TypeError, match="labels must be None, as TensorDataset has labels"):
        fit(small(), dataset, y)
    with pytest.raises(TypeError, match="labels must be integers, the class of each sample"):
        fit(small(), x)


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([(torch.zeros(3, 1), 0), (torch.zeros(4, 1), 1)], "all sequences as long: stack expects"),
        ([torch.zeros(3, 1)], "pairs of a sequence"),
        ([], "x: no samples|num_samples"),
    ],
)
def test_a_data_set_of_something_else_is_refused(samples: list[Any], text: str) -> None:
    class Listed(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, i: int) -> Any:
            return samples[i]

    with pytest.raises(ValueError, match=text):
        fit(small(), Listed())


def test_the_best_epoch_on_other_samples_is_what_the_model_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = toy()
    results = iter([(0.0, 9.0), (0.5, 1.0), (0.75, 0.5), (0.75, 0.4), (0.75, 0.6)])
    states: list[torch.Tensor] = []

    def measured(model: torch.nn.Module, *given: Any) -> tuple[float, float]:
        states.append(next(model.parameters()).detach().clone())
        return next(results)

    monkeypatch.setattr(fitting, "evaluate", measured)
    done = fit(small(), x, y, epochs=4, batch_size=8, validation=(x, y))
    assert done.validation == [(0.5, 1.0), (0.75, 0.5), (0.75, 0.4), (0.75, 0.6)]
    assert done.best == 3
    assert torch.equal(next(done.model.parameters()), states[3])
    assert not torch.equal(states[3], states[4])
    assert "validation 75.00% after 3" in repr(done)
    assert not done.model.training


def test_samples_to_choose_by_are_checked_before_training() -> None:
    (x, y), model = toy(), small()
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match="as many labels as samples"):
        fit(model, x, y, epochs=1, validation=(x, y[:-1]))
    assert all(map(torch.equal, before, model.parameters()))
    assert fit(model, x, y, epochs=2).best == 2
