"""What enters as an array: exactly what was given, or an error that names the parameter."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from lava_ssm.numerics import complexes, integers, reals

REALS = [0.5, -2.0, 3.0]


class Converts:
    """An object of another library that NumPy can convert."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(REALS)


class ConvertsNot:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("no memory of the host")


@pytest.mark.parametrize(
    "given",
    [
        REALS,
        tuple(REALS),
        np.array(REALS, np.float16),
        np.array(REALS, ">f4"),
        np.array([*REALS, 7.0])[:-1],
        np.array(REALS)[::-1][::-1],
        Converts(),
        torch.tensor(REALS),
        torch.tensor(REALS, dtype=torch.bfloat16),
        torch.tensor(REALS, dtype=torch.float8_e5m2),
        torch.tensor(REALS, dtype=torch.float64)[None].expand(4, 3)[2],
        [torch.tensor(v) for v in REALS],
    ],
)
def test_values_of_any_container_are_kept_exactly(given: Any) -> None:
    assert reals(given, "x").tolist() == REALS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ma.array(REALS, mask=[0, 1, 0]), "mask"),
        (np.ma.array(REALS), "mask"),
        ([1.0, np.ma.masked], "mask"),
        ([np.ma.array(REALS, mask=True)], "mask"),
        (torch.tensor(REALS, requires_grad=True), "detach"),
        (torch.tensor(REALS, device="meta"), "CPU"),
        (torch.tensor(REALS).to_sparse(), "dense"),
        (scipy.sparse.csr_matrix(REALS), "toarray"),
        (scipy.sparse.coo_array([REALS]), "toarray"),
        (np.array([1.0, None]), "objects such as None"),
        (np.array([True, False]), "bool"),
        ([True, 2.0], "True"),
        ([[1], [np.True_]], "True"),
        (["1.0"], "<U3"),
        (np.array(["2024-01-01"], "datetime64[D]"), "datetime64"),
        (np.zeros(2, [("re", float), ("im", float)]), "re"),
        (np.array([1j]), "complex128"),
        ([[1.0], [1.0, 2.0]], "equal length"),
        (ConvertsNot(), "no memory of the host"),
        (None, "None"),
        ({1.0}, "objects"),
    ],
)
def test_what_is_no_array_of_reals_is_refused_by_name(given: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"(?s)^tokens.*{message}"):
        reals(given, "tokens")


@pytest.mark.parametrize("given", [10**30, [10**30], [1, -(2**64)], np.uint64(2**63), [10**5000]])
def test_integers_beyond_64_bits_are_refused_by_name(given: Any) -> None:
    with pytest.raises(ValueError, match="weights: integers must fit 64 signed bits"):
        integers(given, "weights")


@pytest.mark.parametrize("given", [[1.0], [True], np.ma.array([1]), torch.tensor([1.0])])
def test_what_is_no_array_of_integers_is_refused_by_name(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^weights"):
        integers(given, "weights")


def test_python_integers_in_an_array_of_objects_are_integers() -> None:
    assert integers(np.array([2**63 - 1, -3], object)).tolist() == [2**63 - 1, -3]


def test_complex_numbers_of_tensors_are_kept() -> None:
    assert complexes(torch.tensor([1 + 2j]).conj(), "a").tolist() == [1 - 2j]
    with pytest.raises(ValueError, match=r"a must be finite, got .*nan.* at \(1,\)"):
        complexes([1j, np.nan], "a")


def test_a_view_larger_than_all_memory_is_refused_before_it_is_walked() -> None:
    view = np.broadcast_to(np.float32(1), (10**7, 10**7))
    with pytest.raises(MemoryError, match=r"^x: .* takes 8.38e\+05 GiB of memory"):
        reals(view, "x")
