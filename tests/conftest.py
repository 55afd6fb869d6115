"""Small networks train fastest on one thread of PyTorch's, here and in what tests start.

Where the extras are not installed, the tests that need them are left out. Tests with random inputs
draw the same ones each time, so that a change is judged by what it changes; `make test-random`
draws others.
"""

import os
from importlib.metadata import PackageNotFoundError, distribution

from hypothesis import settings

import lava_ssm  # noqa: F401  first: it mends Lava on newer Pythons

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("same", derandomize=True)
settings.register_profile("random")
settings.load_profile("same")

_NEEDED_BY = {
    "torch": (
        "benchmarks",
        "cli/test_denoise.py",
        "cli/test_errors.py",
        "cli/test_lm.py",
        "cli/test_own.py",
        "cli/test_evaluate.py",
        "cli/test_quantize.py",
        "cli/test_train.py",
        "compress/test_finetune.py",
        "compress/test_finetune_any.py",
        "compress/test_finetune_s5.py",
        "compress/test_pruning.py",
        "data/test_split.py",
        "deploy/test_language.py",
        "docs/test_blocks.py",
        "engine/test_door.py",
        "exchange/test_from_arrays.py",
        "exchange/test_from_torch.py",
        "exchange/test_import.py",
        "exchange/test_trained.py",
        "network/test_from_arrays.py",
        "nn",
        "proc/test_language.py",
        "train",
        "numerics/test_arrays.py",
        "scripts",
        "test_doors.py",
        "test_without_lava.py",
    ),
    "lava-nc": (
        "cli/test_bench.py",
        "cli/test_demo.py",
        "docs/test_blocks.py",
        "exchange/test_from_arrays.py",
        "exchange/test_trained.py",
        "loihi2/test_lowering.py",
        "loihi2/test_s5.py",
        "proc",
        "runtime",
        "scripts",
        "tutorials",
    ),
    "lava-dl": ("nn/test_lava_dl.py",),
    "dask": ("benchmarks",),
    "matplotlib": ("plot",),
    "nbclient": ("test_progress.py",),
    "mkdocs-material": ("docs/test_pages.py",),
    "s5-pytorch": ("exchange/test_from_torch.py", "exchange/test_trained.py"),
}


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


collect_ignore = [
    path for package, paths in _NEEDED_BY.items() if not _is_installed(package) for path in paths
]
