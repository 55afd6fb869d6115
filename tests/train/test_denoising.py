"""Training to denoise: torch's spectra are those of `audio`, a training can be taken up again."""

import itertools

import numpy as np
import pytest
import torch

from lava_ssm import audio
from lava_ssm.compress import Pruner
from lava_ssm.compress.pruning import sparsity_of
from lava_ssm.nn import SparseS5
from lava_ssm.nn.sparse_s5 import S5Block
from lava_ssm.train import Denoising, DenoisingRecipe
from lava_ssm.train.denoising import (
    analyse,
    denoised,
    evaluate,
    match_level,
    remixed,
    shaped,
    si_snr,
    sped,
    synthesise,
    watched,
)


@pytest.mark.parametrize("samples", [512, 1000, 1280])
def test_spectra_and_quality_are_those_of_audio(samples: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, samples))
    spectra = analyse(torch.from_numpy(x))
    np.testing.assert_allclose(spectra.numpy(), audio.analyse(x), atol=1e-10)
    again = synthesise(spectra * 0.5, samples).numpy()
    np.testing.assert_allclose(again, audio.synthesise(audio.analyse(x) * 0.5, samples), atol=1e-10)
    noisy = x + np.random.default_rng(1).normal(size=x.shape)
    found = si_snr(torch.from_numpy(noisy), torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, audio.si_snr(noisy, x), atol=1e-6)


def test_remixing_gives_the_ratio_that_was_drawn() -> None:
    torch.manual_seed(0)
    clean = torch.randn(6, 4000)
    noisy = clean + torch.randn(6, 4000)
    mixed, scaled = remixed(noisy, clean, (7.0, 7.0), 0.5, torch.Generator().manual_seed(0))
    ratio = scaled.square().sum(-1) / (mixed - scaled).square().sum(-1)
    torch.testing.assert_close(10 * ratio.log10(), torch.full((6,), 7.0), atol=1e-3, rtol=0)


def test_remixing_gives_other_voices_and_noises_each_time_and_the_same_by_the_same_numbers() -> (
    None
):
    noisy, clean = clips(4)
    first, again = (
        remixed(noisy, clean, (-5.0, 25.0), 0.5, torch.Generator().manual_seed(1)) for _ in range(2)
    )
    other = remixed(noisy, clean, (-5.0, 25.0), 0.5, torch.Generator().manual_seed(2))
    for x, y, z in zip(first, again, other, strict=True):
        assert torch.equal(x, y)
        assert not torch.isclose(x, z, rtol=0.1).all(-1).any()


def test_a_filter_changes_loudness_by_no_more_than_a_microphone_would() -> None:
    t = torch.arange(16000) / 16000
    for frequency in (60.0, 500.0, 4000.0):
        tone = torch.sin(2 * torch.pi * frequency * t).repeat(200, 1)
        found = shaped(tone, torch.Generator().manual_seed(0))[:, 4000:12000]
        gain = 10 * torch.log10(found.square().mean(-1) / tone[:, 4000:12000].square().mean(-1))
        assert 3 < gain.max() < 25
        assert -25 < gain.min() < -3


def test_tones_are_higher_or_lower_by_what_was_drawn() -> None:
    tone = torch.sin(2 * torch.pi * 500 * torch.arange(16000) / 16000).repeat(20, 1)
    found = sped(tone, 0.5, torch.Generator().manual_seed(0))
    assert found.shape == tone.shape
    random = torch.Generator().manual_seed(0)
    octaves = torch.stack([torch.rand((), generator=random) - 0.5 for _ in range(20)])
    peaks = torch.fft.rfft(found[:, :8000] * torch.hann_window(8000)).abs().argmax(-1) * 2
    torch.testing.assert_close(
        peaks.float(), 500 * 2**octaves, rtol=0.04, atol=4
    )  # lengths are fast ones
    # as loud as before, but where a tone of another phase begins anew
    loud = found.square().mean(-1)
    torch.testing.assert_close(loud, torch.full((20,), 0.5), rtol=0.01, atol=0)
    torch.testing.assert_close(sped(tone, 0.0, random), tone, rtol=0, atol=1e-5)


def test_speech_comes_out_as_loud_as_it_went_in() -> None:
    torch.manual_seed(0)
    noisy, clean = clips(3)
    model = SparseS5(257, 8, 4, 1, 257)
    with torch.no_grad():
        model.decoder.bias.add_(5)  # six times as loud, more or less
    before = evaluate(model, noisy, clean)
    match_level(model, noisy, clean, batch_size=2)
    estimate = denoised(model.eval(), noisy)[0].detach()
    along = (estimate * clean).sum() / clean.square().sum()
    assert float(along) == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(evaluate(model, noisy, clean), before, rtol=0, atol=1e-3)


def clips(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    t = np.arange(4096) / 16000
    clean = np.stack([np.sin(2 * np.pi * rng.uniform(200, 2000) * t) for _ in range(n)])
    noisy = clean + rng.normal(size=clean.shape)
    return torch.tensor(noisy, dtype=torch.float32), torch.tensor(clean, dtype=torch.float32)


def training(epochs: int = 8) -> Denoising:
    torch.manual_seed(0)
    model = SparseS5(257, 16, 8, 1, 257, dropout=0.1)
    return Denoising(model, *clips(16), DenoisingRecipe(epochs=epochs, batch_size=8))


def peaks(model: SparseS5, noisy: torch.Tensor) -> list[float]:
    """Greatest messages: of the encoder, of each block, of each S5."""
    found = []
    with torch.no_grad():
        h = torch.relu(model.encoder(analyse(noisy).abs()))
        inside = []
        for block in model.blocks:
            assert isinstance(block, S5Block)
            inside.append(float(block.s5(torch.stack([block.norm(one) for one in h])).amax()))
            h = block(h)
            found.append(float(h.amax()))
    first = float(model.encoder(analyse(noisy).abs()).amax())
    return [first, *found, *inside]


def test_what_messages_exceed_their_limit_by_is_seen() -> None:
    torch.manual_seed(0)
    model, (noisy, _) = SparseS5(257, 16, 8, 2, 257, relu=True).eval(), clips(1)
    greatest = peaks(model, noisy)
    limit = sorted(greatest)[2]
    with watched(model, limit) as excess:
        denoised(model, noisy)
    assert sorted(float(e) for e in excess) == pytest.approx(
        sorted(max(0.0, peak / limit - 1) for peak in greatest), abs=1e-5
    )
    denoised(model, noisy)
    assert len(excess) == 5


def test_a_training_with_a_limit_makes_messages_smaller() -> None:
    ends = {None: 0.0, 1.0: 0.0}
    for limit, seed in itertools.product(ends, range(4)):
        torch.manual_seed(seed)
        model, (noisy, clean) = SparseS5(257, 16, 8, 1, 257, relu=True), clips(16)
        recipe = DenoisingRecipe(epochs=8, batch_size=8, message_limit=limit, seed=seed)
        run = Denoising(model, noisy, clean, recipe)
        while run.step < run.steps:
            run.advance()
        ends[limit] += max(peaks(model.eval(), noisy))
    assert ends[1.0] < 0.9 * ends[None]
    with pytest.raises(ValueError, match="message_limit must lie in \\(0, inf\\), got 0"):
        DenoisingRecipe(message_limit=0)


def test_training_denoises_tones() -> None:
    run = training(25)
    noisy, clean = clips(16)
    before = evaluate(run.model, noisy, clean).mean()
    while run.step < run.steps:
        run.advance()
    assert evaluate(run.model, noisy, clean).mean() > before + 3


def test_a_training_goes_on_from_its_state_as_if_never_left() -> None:
    whole = training()
    seen = [whole.advance() for _ in range(whole.steps)]
    left = training()
    for _ in range(7):
        left.advance()
    state = left.state()
    again = training()
    again.restore(state)
    assert [again.advance() for _ in range(again.steps - 7)] == seen[7:]


def pruned(pruner: type[Pruner] = Pruner, end: float = 0.5) -> Denoising:
    torch.manual_seed(0)
    model = SparseS5(257, 8, 8, 1, 257)
    recipe = DenoisingRecipe(epochs=3, batch_size=2, ema=0.9)
    return Denoising(model, *clips(8), recipe, pruner(model, 0.5, end=end, every=1))


def test_parameters_are_averaged_once_no_more_weights_become_zero() -> None:
    run = pruned()
    (parameter, *_) = run.model.parameters()
    expected = torch.zeros(())
    for step in range(1, 12):
        run.advance()
        (average, *_) = run.measured.parameters()
        k = max(0, step - 6)
        d = (1 + k) / (10 + k) if k else 0
        expected = d * expected + (1 - d) * parameter.detach().double()
        torch.testing.assert_close(average.double(), expected, rtol=1e-6, atol=1e-7)
        assert sparsity_of(run.measured) == sparsity_of(run.model)
    assert not torch.equal(average, parameter)


def test_an_average_that_had_begun_before_pruning_was_over_begins_anew() -> None:
    whole, left, again = pruned(), pruned(), pruned()
    for _ in range(12):
        whole.advance()
    for _ in range(3):
        left.advance()
    state, pruner = left.state(), left.pruner
    assert pruner is not None
    assert again.pruner is not None
    state["average"]["n_averaged"] += 3  # as older versions left it
    state["average"]["module.encoder.weight"] += 1
    again.restore(state)
    again.pruner.load_state_dict(pruner.state_dict())
    for _ in range(9):
        again.advance()
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_pruner_hears_how_far_it_is() -> None:
    shares = []

    class Hears(Pruner):
        def at(self, t: float) -> None:
            shares.append(t)

    run = pruned(Hears)
    for _ in range(4):
        run.advance()
    assert shares == [1 / 12, 2 / 12, 3 / 12, 4 / 12]
    with pytest.raises(TypeError, match="pruner must be a Pruner, got <bound method"):
        Denoising(run.model, *clips(4), None, run.pruner.at)  # type: ignore[arg-type,union-attr]


def test_the_mask_is_applied_to_the_noisy_spectrum() -> None:
    class Half(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full_like(x, -0.5)

    x, _ = clips(2)
    sound, magnitudes = denoised(Half(), x)
    torch.testing.assert_close(sound, x / 2, atol=1e-5, rtol=0)
    torch.testing.assert_close(magnitudes, analyse(x).abs() / 2, atol=1e-4, rtol=0)


def test_bad_clips_and_recipes_are_named() -> None:
    model = SparseS5(257, 8, 8, 1, 257)
    with pytest.raises(ValueError, match=r"noisy, clean must have one shape \(clips, time\)"):
        Denoising(model, torch.zeros(2, 600), torch.zeros(3, 600))
    with pytest.raises(ValueError, match=r"epochs must be an integer in \[1, 2147483647\]"):
        DenoisingRecipe(epochs=0)
    with pytest.raises(ValueError, match="warm_up"):
        DenoisingRecipe(warm_up=1.0)
    with pytest.raises(ValueError, match="octaves must lie in"):
        DenoisingRecipe(octaves=3)
