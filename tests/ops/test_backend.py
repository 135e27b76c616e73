import pytest
import torch

from equishare.nn import DensityConv, backend
from equishare.ops.backend import implementation, uses_numba


def test_choices_nest_and_are_undone():
    assert uses_numba(torch.zeros(1))
    with backend("torch"):
        assert not uses_numba(torch.zeros(1))
        with backend("numba"):
            assert uses_numba(torch.zeros(1))
        assert not uses_numba(torch.zeros(1))
    assert uses_numba(torch.zeros(1))


def test_auto_leaves_other_types_to_torch():
    assert not uses_numba(torch.zeros(1, dtype=torch.bfloat16))
    assert not uses_numba(torch.zeros(1, device="meta"))


@pytest.mark.usefixtures("unchecked")
def test_errors():
    with pytest.raises(ValueError, match="'fortran'"), backend("fortran"):
        pass
    with backend("numba"), pytest.raises(ValueError, match=r"float16 on cpu"):
        uses_numba(torch.zeros(1, dtype=torch.float16))


@pytest.mark.usefixtures("unchecked")
def test_triton_is_for_gpus(monkeypatch):
    with backend("triton"):
        monkeypatch.setenv("TRITON_INTERPRET", "1")
        assert implementation(torch.zeros(1)) == "triton"
        assert not uses_numba(torch.zeros(1))
        monkeypatch.delenv("TRITON_INTERPRET")
        with pytest.raises(ValueError, match=r"on a GPU.*float32 on cpu"):
            implementation(torch.zeros(1))


def test_sums_do_not_depend_on_the_number_of_threads():
    """Forward sums run per atom: the same bits with one thread and two."""
    conv, index = DensityConv("4x0e", 2, 3), torch.randint(9, (2, 50))
    x, basis, harmonics = torch.randn(9, 1, 4), torch.randn(50, 3), torch.randn(50, 9)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(conv(x, basis, harmonics, index))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)
