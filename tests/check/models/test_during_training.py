"""The check beside a training: how often, in which share of the time, and what it does when symmetry is lost."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from equishare.check import LightningCheck, SymmetryLost, SymmetryWarning, TrainingCheck, geometric
from equishare.check.models import during_training

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
CLAIM = geometric("forces", "forces")


class Model(nn.Module):
    """Sound until its bias is no longer zero."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(6, 6, bias=False)
        self.last = nn.Sequential(nn.Identity(), Shift())
        self.dropout = nn.Dropout(0.5)

    def forward(self, v):
        return self.last(self.dropout(v.norm(dim=1).mean() * v))


class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, v):
        return v + self.bias


class Clock:
    """A clock that an epoch moves on by its length, and every reading by a thousandth of a second."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("equishare.clock.time", SimpleNamespace(perf_counter=self))

    def __call__(self):
        self.now += 1e-3
        return self.now


def broken(model):
    nn.init.constant_(model.last[1].bias, 0.1)
    return model


def test_it_stops_with_the_name_of_the_module():
    model = Model().train()
    watch = TrainingCheck(model, X, CLAIM, share=1e9)
    assert watch().passed
    assert model.dropout.training
    assert model.training
    broken(model)
    with pytest.raises(SymmetryLost, match=r"breaks at last\.1 \(Shift\)") as lost:
        watch()
    assert lost.value.report.culprit == "last.1"
    assert len(watch.reports) == 2


def test_it_warns_and_goes_on():
    watch = TrainingCheck(broken(Model()), X, CLAIM, share=1e9, action="warn")
    with pytest.warns(SymmetryWarning, match="last.1"):
        assert not watch().passed


def test_every_so_many_epochs():
    watch = TrainingCheck(Model(), X, CLAIM, share=1e9, every=3)
    assert [watch() is not None for _ in range(7)] == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("epoch", [0.5, 5.0])
def test_it_takes_its_share_of_the_time_and_no_more(monkeypatch, epoch):
    clock = Clock(monkeypatch)
    real = during_training.equivariance
    monkeypatch.setattr(
        during_training, "equivariance", lambda *a, **k: (setattr(clock, "now", clock.now + 0.4), real(*a, **k))[1]
    )
    watch = TrainingCheck(Model(), X, CLAIM, share=0.01)
    for _ in range(1000):
        clock.now += epoch
        watch()
    total = clock.now - watch.clock.begun
    assert 0.005 * total < watch.spent <= 0.01 * total + 0.5
    assert len(watch.reports) > 5


def test_nothing_of_the_model_changes():
    model = Model().train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    rng = torch.random.get_rng_state()
    TrainingCheck(model, X, CLAIM, share=1e9)()
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(rng, torch.random.get_rng_state())
    assert all(p.grad is None for p in model.parameters())


def test_inputs_by_name_and_random_numbers_of_the_model():
    class Noisy(nn.Module):
        def forward(self, *, scale, v):
            torch.rand(1)
            return scale * v

    rng = torch.random.get_rng_state()
    inputs = {"scale": torch.ones(()), "v": X}
    watch = TrainingCheck(Noisy(), inputs, geometric({"scale": "invariant", "v": "forces"}, "forces"), share=1e9)
    assert watch().passed
    assert torch.equal(rng, torch.random.get_rng_state())


def test_wrong_options_are_explained():
    with pytest.raises(ValueError, match="every should be 1 or more"):
        TrainingCheck(Model(), X, CLAIM, every=0)
    with pytest.raises(ValueError, match="'stop' or 'warn'"):
        TrainingCheck(Model(), X, CLAIM, action="shout")


@pytest.mark.parametrize("lost", [False, True])
def test_lightning(lost, tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Model()

        def forward(self, x):
            return self.model(x)

        def training_step(self, batch, number):
            return (self(X) * self.model.last[1].bias).sum() + self.model.last[1].bias.sum() * lost

        def configure_optimizers(self):
            return torch.optim.SGD([self.model.last[1].bias], lr=0.1 * lost)

        def train_dataloader(self):
            return torch.utils.data.DataLoader([0])

    callback = LightningCheck(X, CLAIM, share=1e9)
    trainer = lightning.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        callbacks=[callback],
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(Module())
    said = [str(w.message) for w in caught if issubclass(w.category, SymmetryWarning)]
    if lost:
        assert trainer.current_epoch == 1
        assert callback.lost.report.culprit == "model.last.1"
        assert "model.last.1" in said[0]
    else:
        assert (trainer.current_epoch, callback.lost, said) == (4, None, [])
        assert len(callback.check.reports) == 4


def test_a_loop_of_fabric():
    """The plain check is all that a loop of one's own needs."""
    fabric = pytest.importorskip("lightning.fabric").Fabric(accelerator="cpu", devices=1)
    model = Model()
    model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    watch = TrainingCheck(model, X, CLAIM, share=1e9)

    def epoch(pull):
        optimizer.zero_grad()
        fabric.backward(0 * model(X).sum() + pull * model.last[1].bias.sum())
        optimizer.step()
        return watch()

    assert epoch(0.0).passed
    with pytest.raises(SymmetryLost, match=r"last\.1"):
        epoch(1.0)
