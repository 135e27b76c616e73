"""Shared test set-up: shapes of jaxtyping signatures are checked, seeds are reproducible, group elements are drawn."""

import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import config, install_import_hook

PACKAGE = Path(__file__).parent.parent / "equishare"
# the tape makes functions as it goes, and each would be given checks of its own: a third of the time of dynamics, for no shape that they name
MAKES_FUNCTIONS = {PACKAGE / "potential" / "arrays" / name for name in ("tape.py", "operations.py", "layer.py")}
# before anything imports them: every annotated call of the tests is checked, shapes included; no compiler can compile the checks
CHECKED = [
    ".".join(("equishare", *path.relative_to(PACKAGE).with_suffix("").parts))
    for floor in ("ops", "nn", "gallery", "potential")
    for path in sorted((PACKAGE / floor).rglob("*.py"))
    if path.stem not in ("__init__", "numba", "triton", "jit", "ahead") and path not in MAKES_FUNCTIONS
]
install_import_hook(CHECKED, "beartype.beartype")

# the same examples in every run, and none that fails because the machine is busy
settings.register_profile("equishare", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("equishare")

# a job in the background may have SIGINT ignored, one under nohup SIGHUP: tests of signals need them as a terminal has them
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are defined


CPU = pytest.StashKey[float]()


def cpu_seconds():
    """Of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    item.stash[CPU] = cpu_seconds()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    if call.when == "teardown":
        item.user_properties.append(("cpu", cpu_seconds() - item.stash[CPU]))


def pytest_terminal_summary(terminalreporter, config):
    """With ``--durations=N`` CPU time as well, which other work on the machine does not change."""
    if config.option.durations:
        ended = [report for report in terminalreporter.stats.get("", []) if report.when == "teardown"]
        spent = sorted(
            ((dict(report.user_properties).get("cpu", 0.0), report.nodeid) for report in ended), reverse=True
        )
        terminalreporter.section(f"{sum(s for s, _ in spent):.0f} s of CPU time in tests; most took")
        for seconds, name in spent[: config.option.durations]:
            terminalreporter.write_line(f"{seconds:7.2f}s {name}")


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def triton_device():
    """Where Triton's kernels run: on a GPU, and without one in the interpreter."""
    pytest.importorskip("triton")
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def file_size():
    """Limits the size of files, as a full disk does: ``file_size(5000)``; without a number no more."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int = before[0]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    limit()


@pytest.fixture
def unchecked():
    """Without the check of signatures: for tests of the errors that a user sees."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def orthogonal():
    """Draw from O(3), uniformly on the rotations and on the improper ones: ``orthogonal(improper=True)``."""

    def draw(improper: bool) -> torch.Tensor:
        matrix, upper = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
        matrix = matrix * upper.diagonal().sign()
        return matrix * (torch.linalg.det(matrix).sign() * (-1 if improper else 1))

    return draw


@pytest.fixture(scope="session")
def tiny_config():
    """The configuration of a training run of a second or two, as a file would say it."""
    return {
        "data": {"train": "ethanol@:43", "valid": 0.1, "test": 0.1},
        "model": {
            "preset": "small",
            "channels": 4,
            "n_basis": 4,
            "n_hidden": 4,
            "l_density": 1,
            "body_order": 3,
            "cutoff": 3.0,
        },
        "optimisation": {"batch_size": 8},
        "budget": {"epochs": 4},
        "run": {"device": "cpu"},
    }
