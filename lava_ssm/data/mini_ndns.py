"""Mini N-DNS: noisy speech made of what Debian packages hold, small enough for a CPU.

Speech: recorded prompts of the Asterisk telephone exchange, the Dutch voices of a game, letters
and words of two programs for children, what a Russian voice for Festival was made of. Noise:
ambiences of a game, music of games and on hold, machines and streets, samples of a synthesiser. No
voice and no noise file is in two parts.
"""

import json
import re
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lava_ssm import files
from lava_ssm.audio import SAMPLE_RATE, write
from lava_ssm.extras import needed

with needed("soundfile"):
    import soundfile
with needed("G722"):
    from G722 import G722

Samples = NDArray[np.float32]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

PARTS = ("training_set", "validation_set", "test_set")
SPEECH_PACKAGES = (
    *(f"asterisk-core-sounds-{language}-g722" for language in ("en", "es", "fr", "it", "ru")),
    "festvox-ru",
    "fillets-ng-data-nl",
    "klettres-data",
    "ktuberling-data",
)
NOISE_PACKAGES = (
    "ufoai-sound",
    "asterisk-moh-opsound-g722",
    "fillets-ng-data",
    "sonic-pi-samples",
    "colobot-common-sounds",
    "lincity-ng-data",
)
# Voices, by how their files' paths look, and the part that they are in. English and Spanish are
# one speaker's. A woman and a man are in the training and in the test set. "letters" are a dozen
# people, each with a language of their own: those whose recordings are quietest between words (40
# to 90 dB below), since a network learns to leave what the clean speech has; and none of the
# languages (Russian; French, Dutch) in which the voices of validation and test set speak. "NSH",
# the man behind the Festival voice, reads an hour and a half of Russian: the validation set's is a
# woman's.
_SPEAKERS = {
    "Allison": ("training_set", re.compile(r"_f_Allison/")),
    "Carlo": ("training_set", re.compile(r"_m_Carlo/")),
    "NSH": ("training_set", re.compile(r"/msu_ru_nsh_clunits/wav/[^/]*\.wav$")),
    "nl-small-fish": ("training_set", re.compile(r"/fillets-ng/.*/nl/(?:.*-)?m-[^/]*\.ogg$")),
    "letters": (
        "training_set",
        re.compile(
            r"/klettres/(da|de|en_GB|lt|nds|pt_BR|tn|uk)/.*\.ogg$"
            r"|/ktuberling/sounds/(ca|el|ga|lt)/.*\.(ogg|wav)$"
        ),
    ),
    "IvrvoiceRU": ("validation_set", re.compile(r"_f_IvrvoiceRU/")),
    "June": ("test_set", re.compile(r"_f_June/")),
    "nl-big-fish": ("test_set", re.compile(r"/fillets-ng/.*/nl/(?:.*-)?v-[^/]*\.ogg$")),
}
_NO_SPEECH = re.compile(
    r"/silence/|/(?:beep|tone|ascending|descending|tt-|confbridge-join|confbridge-leave)"
)
_NOISE = {
    "ambience": re.compile(r"/ambience/.*\.ogg$"),
    "hold": re.compile(r"/moh/.*\.g722$"),
    "music": re.compile(r"/fillets-ng/music/.*\.ogg$"),
    "bubbles": re.compile(r"/fillets-ng/sound/share/[^/]*\.ogg$"),
    "samples": re.compile(r"/sonic-pi/samples/.*\.flac$"),
}
_TRAINING_NOISE = re.compile(r"/(?:colobot|lincity-ng)/(?:music|sounds)/.*\.(?:ogg|wav)$")
_SPEECH_LIKE = re.compile(r"radiomessage|tv_newswav|aliencom|ambi_choir|robot|burp|voxy|phone")
_SHARES = (0.7, 0.1, 0.2)  # of each kind of `_NOISE` in the three parts
_MOST_UNZIPPED = 4 * 2**30
_SHORTEST = 0.4  # seconds
# No voice is that low, but rumble and offset of some recordings are: not what is to be kept
_LOWEST = 80  # Hz
# Lengths of an utterance against the original: these make more voices of few
_AS_IT_IS = ((1, 1),)
_SPEEDS = (*_AS_IT_IS, *_AS_IT_IS, (3, 4), (5, 6), (8, 9), (9, 8), (6, 5), (4, 3))


@dataclass(frozen=True)
class MiniNDNS:
    """What to make.

    Parameters
    ----------
    clips
        Of the training, validation and test set.
    seconds
        Length of a clip.
    seed
        Of all choices.
    snr
        Lowest and highest signal-to-noise ratio in dB; each clip's is an integer drawn from
        between.
    level
        Lowest and highest loudness of a noisy clip, in dB of full scale.

    Raises
    ------
    ValueError
        A number outside its range.
    """

    clips: tuple[int, int, int] = (3000, 100, 200)
    seconds: float = 4.0
    seed: int = 0
    snr: tuple[int, int] = (-5, 20)
    level: tuple[int, int] = (-35, -15)

    def __post_init__(self) -> None:
        if len(self.clips) != 3 or min(self.clips) < 1:
            raise ValueError(f"clips must be three numbers of at least 1, got {self.clips}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if not 0.5 <= self.seconds <= 60:
            raise ValueError(f"seconds must lie in [0.5, 60], got {self.seconds}")
        for name in ("snr", "level"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be ascending, got {low}, {high}")


def make_mini_ndns(
    folder: str | PathLike[str],
    recipe: MiniNDNS | None = None,
    packages: str | PathLike[str] | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Path:
    """Make the data set, in the layout that `ndns` reads.

    Parameters
    ----------
    folder
        Where to: gets `mini-ndns`, which appears when it is complete.
    recipe
        Clips, lengths, seeds; None: the defaults.
    packages
        Folder of the Debian packages' files (`*.deb`). None: they are fetched with
        `apt-get download`, 580 MB.

    Returns
    -------
    pathlib.Path
        `folder/mini-ndns`: the three parts, and `about.json` with the recipe, the packages, and
        which voices and noises are in which part.

    Raises
    ------
    FileExistsError
        It is there already.
    RuntimeError
        `apt-get` or `dpkg-deb` are not there or fail, or a package lacks what it should have.
    """
    recipe = MiniNDNS() if recipe is None else recipe
    target = Path(folder) / "mini-ndns"
    if target.exists():
        raise FileExistsError(f"{str(target)!r} is there already; remove it to make it anew")
    local = None if packages is None else _archives(Path(packages))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".mini-ndns.") as temporary:
        work = Path(temporary)
        archives = _fetched(work / "packages", progress) if local is None else local
        unpacked = work / "unpacked"
        for i, archive in enumerate(archives):
            progress("unpacking packages", i, len(archives))
            _command("dpkg-deb", "-x", str(archive), str(unpacked))
        for bundle in unpacked.rglob("*.pk3"):
            _unzip(bundle)
        paths = sorted(str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file())
        speech, noise = _split(paths, recipe.seed)
        made = work / "mini-ndns"
        for k, part in enumerate(PARTS):
            rng = np.random.default_rng([recipe.seed, k])
            voices = {
                name: [
                    _without_rumble(utterance)
                    for utterance in _decoded(unpacked, own, f"{part}: reading {name}", progress)
                ]
                for name, own in speech[part].items()
            }
            for name, utterances in voices.items():
                if not utterances:
                    raise RuntimeError(f"no utterance of the voice {name} is long and loud enough")
            sounds = _decoded(unpacked, noise[part], f"{part}: reading noise", progress)
            _make_part(made / part, recipe, recipe.clips[k], voices, sounds, rng, progress)
        about = {
            "recipe": {name: getattr(recipe, name) for name in recipe.__dataclass_fields__},
            "packages": [archive.name for archive in archives],
            "voices_from_hz": _LOWEST,
            "voices": {part: list(speech[part]) for part in PARTS},
            "noises": noise,
        }
        files.write(made / "about.json", json.dumps(about, indent=1))
        made.rename(target)
    return target


def _unzip(bundle: Path) -> None:
    """Unpack a zip file where it lies."""
    try:
        with zipfile.ZipFile(bundle) as content:
            size = sum(member.file_size for member in content.infolist())
            if size > _MOST_UNZIPPED:
                raise zipfile.BadZipFile(f"unpacks to {size} bytes")
            content.extractall(bundle.parent)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise RuntimeError(f"packages: {bundle.name} is damaged: {error}") from error


def _fetched(folder: Path, progress: Progress) -> list[Path]:
    folder.mkdir()
    names = (*SPEECH_PACKAGES, *NOISE_PACKAGES)
    for i, name in enumerate(names):
        progress("fetching packages", i, len(names))
        _command("apt-get", "download", "-q", name, folder=folder)
    return _archives(folder)


def _archives(folder: Path) -> list[Path]:
    archives = []
    for name in (*SPEECH_PACKAGES, *NOISE_PACKAGES):
        matching = sorted(path for path in folder.glob(f"{name}_*.deb") if path.is_file())
        if not matching:
            raise RuntimeError(f"packages: no {name}_*.deb in {str(folder)!r}")
        archives.append(matching[-1])
    return archives


def _command(*command: str, folder: Path | None = None) -> None:
    if shutil.which(command[0]) is None:
        raise RuntimeError(
            f"{command[0]} is not there: this data set is made of Debian packages, on Debian or "
            "one of its relatives"
        )
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _split(
    files: list[str], seed: int
) -> tuple[dict[str, dict[str, list[str]]], dict[str, list[str]]]:
    """Files of each part: speech by voice, and noise."""
    speech: dict[str, dict[str, list[str]]] = {part: {} for part in PARTS}
    for name, (part, pattern) in _SPEAKERS.items():
        speech[part][name] = [
            f
            for f in files
            if pattern.search(f"/{f}")
            and f.endswith((".g722", ".ogg", ".wav"))
            and not _NO_SPEECH.search(f)
        ]
        if not speech[part][name]:
            raise RuntimeError(f"the packages hold no file of the voice {name}")
    noise: dict[str, list[str]] = {part: [] for part in PARTS}
    rng = np.random.default_rng([seed, 1000])
    for kind, pattern in _NOISE.items():
        of_kind = [f for f in files if pattern.search(f"/{f}") and not _SPEECH_LIKE.search(f)]
        if len(of_kind) < 3:
            raise RuntimeError(f"the packages hold fewer than three noises of kind {kind}")
        order = [of_kind[i] for i in rng.permutation(len(of_kind))]
        first = min(max(1, round(_SHARES[0] * len(order))), len(order) - 2)
        second = min(first + max(1, round(_SHARES[1] * len(order))), len(order) - 1)
        for part, chosen in zip(
            PARTS, (order[:first], order[first:second], order[second:]), strict=True
        ):
            noise[part] += sorted(chosen)
    noise[PARTS[0]] += [f for f in files if _TRAINING_NOISE.search(f"/{f}")]
    return speech, noise


def _decoded(root: Path, paths: list[str], what: str, progress: Progress) -> list[Samples]:
    """Samples of files, 16 kHz, mono, those that are long enough and not silent."""
    sounds = []
    for i, path in enumerate(paths):
        progress(what, i, len(paths))
        sound = _decode(root / path)
        if len(sound) >= _SHORTEST * SAMPLE_RATE and np.abs(sound).max() > 1e-3:
            sounds.append(sound)
    return sounds


def _decode(path: Path) -> Samples:
    if path.suffix == ".g722":
        samples = np.asarray(G722(SAMPLE_RATE, 64000).decode(path.read_bytes()))
        return (samples / 2**15).astype(np.float32)
    try:
        channels, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise RuntimeError(f"packages: {path.name} is damaged: {error}") from error
    mono = channels.mean(axis=1)
    common = gcd(rate, SAMPLE_RATE)
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(mono, SAMPLE_RATE // common, rate // common), np.float32)


def _without_rumble(utterance: Samples) -> Samples:
    from scipy.signal import butter, sosfiltfilt

    high_pass = butter(4, _LOWEST, "highpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfiltfilt(high_pass, utterance), np.float32)


def _make_part(
    folder: Path,
    recipe: MiniNDNS,
    clips: int,
    voices: dict[str, list[Samples]],
    sounds: list[Samples],
    rng: Generator,
    progress: Progress,
) -> None:
    for kind in ("noisy", "clean"):
        (folder / kind).mkdir(parents=True)
    length = round(recipe.seconds * SAMPLE_RATE)
    names = list(voices)
    # a long piece of music is no likelier than half a minute of it
    weights = np.array([min(len(s), 30 * SAMPLE_RATE) for s in sounds], float)
    for i in range(clips):
        progress(f"{folder.name}: mixing", i, clips)
        name = names[rng.integers(len(names))]
        speeds = _SPEEDS if folder.name == PARTS[0] else _AS_IT_IS
        clean = _speech(voices[name], length, rng, speeds)
        noise = _segment(sounds[rng.choice(len(sounds), p=weights / weights.sum())], length, rng)
        snr = int(rng.integers(recipe.snr[0], recipe.snr[1] + 1))
        level = int(rng.integers(recipe.level[0], recipe.level[1] + 1))
        noise = noise * (_rms(clean) / _rms(noise) * 10 ** (-snr / 20))
        noisy = clean + noise
        scale = 10 ** (level / 20) / _rms(noisy)
        scale = min(scale, 0.99 / max(np.abs(noisy).max(), np.abs(clean).max()))
        write(folder / "noisy" / f"{name}_snr{snr}_tl{level}_fileid_{i}.wav", scale * noisy)
        write(folder / "clean" / f"clean_fileid_{i}.wav", scale * clean)


def _rms(x: Samples) -> float:
    return float(np.sqrt(np.mean(x.astype(np.float64) ** 2))) + 1e-9


def _speech(
    utterances: list[Samples], length: int, rng: Generator, speeds: tuple[tuple[int, int], ...]
) -> Samples:
    """Utterances of a voice, one after another with short breaks, equally loud.

    A clip has one speed, a ratio: at another one the voice is higher or lower, another's.
    """
    from scipy.signal import resample_poly

    up, down = speeds[rng.integers(len(speeds))]
    pieces: list[Samples] = []
    while sum(map(len, pieces)) < length:
        utterance = utterances[rng.integers(len(utterances))]
        if up != down:
            utterance = np.asarray(resample_poly(utterance, up, down), np.float32)
        pieces.append(utterance * np.float32(0.1 / _rms(utterance)))
        pieces.append(np.zeros(int(rng.uniform(0.05, 0.4) * SAMPLE_RATE), np.float32))
    whole = np.concatenate(pieces)
    start = rng.integers(len(whole) - length + 1)
    return whole[start : start + length]


def _segment(sound: Samples, length: int, rng: Generator) -> Samples:
    """A random part of a sound, which is repeated where it is too short, and never silent."""
    repeated = np.tile(sound, -(-length // len(sound)) + 1)
    for _ in range(20):
        start = rng.integers(len(repeated) - length + 1)
        segment = repeated[start : start + length]
        if _rms(segment) > 0.1 * _rms(sound):
            break
    return segment
