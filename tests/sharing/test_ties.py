import copy
import itertools

import pytest
import torch
from torch import nn

from equishare import sharing


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 3)
        self.decoder = nn.Linear(3, 6)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.head = nn.Linear(4, 11, bias=False)

    def forward(self, x):
        return self.head(self.embedding(x))


class Repeated(nn.Module):
    """One block applied several times, as in ALBERT."""

    def __init__(self, times=12):
        super().__init__()
        self.block, self.times = nn.Linear(5, 5), times

    def forward(self, x):
        for _ in range(self.times):
            x = torch.tanh(self.block(x))
        return x


def test_tied_embedding_is_one_parameter_with_summed_gradient():
    model = Language()
    untied = copy.deepcopy(model)
    with torch.no_grad():
        untied.head.weight.copy_(untied.embedding.weight)
    sharing.tie(model, "head.weight", "embedding.weight")
    with torch.no_grad():
        model.embedding.weight.copy_(untied.embedding.weight)
    x = torch.arange(11)
    for m in (model, untied):
        m(x).square().sum().backward()
    assert len(list(model.parameters())) == 1
    total = untied.head.weight.grad + untied.embedding.weight.grad
    assert torch.allclose(model.embedding.weight.grad, total, rtol=1e-5)


def test_tied_autoencoder_stays_tied_through_training_casting_and_copying():
    model = Autoencoder()
    sharing.tie(model, "decoder.weight", "encoder.weight", transpose=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (model(torch.randn(4, 6)) ** 2).sum().backward()
        optimizer.step()
    model = copy.deepcopy(model).double()
    assert torch.equal(model.decoder.weight, model.encoder.weight.T)
    assert sum(p.numel() for p in model.parameters()) == 18 + 3 + 6
    fresh = Autoencoder().double()
    sharing.tie(fresh, "decoder.weight", "encoder.weight", transpose=True)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.decoder.weight, model.decoder.weight)


def test_share_projects_the_present_weight_and_stores_base_weights_only():
    layer = nn.Linear(6, 4)
    pattern = sharing.hashed((4, 6), 5)
    expected = pattern.expand(pattern.project(layer.weight.detach()))
    sharing.share(layer, "weight", pattern)
    assert torch.allclose(layer.weight, expected)
    assert {k: tuple(v.shape) for k, v in layer.state_dict().items()} == {
        "bias": (4,),
        "parametrizations.weight.original": (5,),
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: sharing.tie(m, "decoder.wait", "encoder.weight"), "no parameter"),
        (lambda m: sharing.tie(m, "nothing.weight", "encoder.weight"), "no submodule"),
        (lambda m: sharing.tie(m, "decoder.weight", "encoder.weight"), "has shape"),
        (lambda m: sharing.tie(m, "decoder.bias", "encoder.bias", transpose=True), "matrix is needed"),
        (lambda m: sharing.share(m, "encoder.weight", sharing.hashed((2, 2), 2)), "has shape"),
        (
            lambda m: sharing.SoftSharing(m, lambda _: 1.0, ties=[["encoder.weight", "decoder.weight"]]),
            "one shape",
        ),
        (lambda _: sharing.GeometricSchedule(0.0, 1.0, 3), "positive"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(sharing.SharingError, match=message):
        call(Autoencoder())


def test_pairwise_penalty_is_the_sum_over_pairs():
    weights = torch.randn(5, 3, 2)
    expected = sum((weights[i] - weights[j]).square().sum() for i in range(5) for j in range(i))
    assert torch.allclose(sharing.pairwise_penalty(list(weights)), expected)


def test_pattern_penalty_is_the_sum_over_pairs_of_shared_entries():
    pattern = sharing.IndexPattern(torch.tensor([0, 1, 0, 1, 1, -1]), torch.tensor([1, 1, -1, 1, 1, 1]))
    w = torch.randn(6)
    expected = (w[0] + w[2]) ** 2 + (w[1] - w[3]) ** 2 + (w[1] - w[4]) ** 2 + (w[3] - w[4]) ** 2 + w[5] ** 2
    assert torch.allclose(sharing.pattern_penalty(pattern, w), expected)


def test_soft_sharing_is_a_gaussian_prior_on_differences():
    """Minus the logarithm of N(0, 1 / (2 lambda)) is lambda * d^2 up to a constant."""
    strength, a, b = 3.0, torch.randn(4), torch.randn(4)
    prior = torch.distributions.Normal(0.0, (1 / (2 * strength)) ** 0.5)
    log_ratio = prior.log_prob(torch.zeros(4)).sum() - prior.log_prob(a - b).sum()
    assert torch.allclose(strength * sharing.pairwise_penalty([a, b]), log_ratio, rtol=1e-5)


def test_soft_sharing_becomes_hard_as_the_strength_grows():
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Linear(3, 3, bias=False) for _ in range(3)])
    targets = torch.randn(3, 3, 3)
    pattern = sharing.IndexPattern(torch.tensor([[0, 1, 1], [1, 0, 1], [1, 1, 0]]))
    schedule = sharing.GeometricSchedule(1e-2, 1e3, 300)
    names = [f"{i}.weight" for i in range(3)]
    soft = sharing.SoftSharing(model, schedule, ties=[names], patterns={"0.weight": pattern})
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    spreads = []
    for step in range(0, 301, 30):

        def closure(step=step):
            optimizer.zero_grad()
            fit = sum((m.weight - t).square().sum() for m, t in zip(model, targets, strict=True))
            loss = fit + soft.penalty(step)
            loss.backward()
            return loss

        for _ in range(10):
            optimizer.step(closure)
        spreads.append(float(sharing.pairwise_penalty([m.weight.detach() for m in model])))
    assert all(b < a * 1.01 for a, b in itertools.pairwise(spreads))
    assert spreads[-1] < 1e-4 * spreads[0]
    # the hard limit of this least-squares problem is the projection of the mean target
    limit = pattern.expand(pattern.project(targets.mean(0)))
    assert torch.allclose(model[1].weight, limit, atol=0.02)
    soft.harden()
    assert len(list(model.parameters())) == 1


def test_report_counts_of_the_literature():
    conv = nn.Conv2d(3, 8, 5)
    report = sharing.report(conv, torch.zeros(1, 3, 32, 32))
    assert (report.stored, report.untied) == (608, 476_672)
    single = sharing.report(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 32, 32))
    assert (single.stored, single.ratio) == (10, 900.0)


def test_report_sees_ties_patterns_and_repeated_calls():
    model = Language()
    sharing.tie(model, "head.weight", "embedding.weight")
    report = sharing.report(model)
    assert report.ties == (("embedding.weight", "head.weight"),)
    assert (report.stored, report.untied) == (44, 88)

    auto = Autoencoder()
    sharing.tie(auto, "decoder.weight", "encoder.weight", transpose=True)
    tied = sharing.report(auto)
    assert (tied.stored, tied.untied) == (27, 45)
    assert tied.ties == (("encoder.weight", "decoder.parametrizations.weight.original"),)

    albert = sharing.report(Repeated(), torch.zeros(2, 5))
    assert (albert.stored, albert.untied, albert.ratio) == (30, 360, 12.0)

    layer = nn.Linear(6, 4)
    sharing.share(layer, "weight", sharing.hashed((4, 6), 5))
    shared = sharing.report(layer)
    assert (shared.stored, shared.untied) == (5 + 4, 24 + 4)

    plain = sharing.report(nn.Linear(3, 3))
    assert (plain.stored, plain.untied, plain.ties) == (12, 12, ())


def test_report_of_one_block_under_two_names():
    block = nn.Linear(4, 4)
    model = nn.Sequential(block, nn.ReLU(), block)
    assert sharing.report(model).untied == 40
    assert sharing.report(model, torch.zeros(1, 4)).untied == 40


def test_report_leaves_the_module_as_it_was():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    model[1].eval()
    before = [m.training for m in model.modules()]
    sharing.report(model, torch.zeros(1, 3))
    assert [m.training for m in model.modules()] == before
    assert not any(m._forward_hooks for m in model.modules())


def test_report_as_table_and_picture(tmp_path):
    model = nn.Sequential(nn.Conv1d(1, 1, 3), nn.Conv1d(1, 1, 1))
    report = sharing.report(model, torch.zeros(1, 1, 8))
    text = str(report)
    assert "0.weight" in text
    assert "translations" in text
    assert "total" in text
    figure = report.picture()
    figure.savefig(tmp_path / "pattern.png")
    assert len(figure.axes) == 1  # the 1x1 filter is one weight: nothing to see
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (6, 8)
    assert len(set(image.compressed().tolist())) == 3  # three base weights
    assert int(image.mask.sum()) == 6 * 8 - 6 * 3
    with pytest.raises(sharing.SharingError, match="no weight"):
        sharing.report(nn.Linear(2, 2)).picture()


def test_ties_are_drawn_as_rows_of_equal_colours():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    sharing.tie(model, "1.weight", "0.weight")
    image = sharing.report(model).picture().axes[0].images[0].get_array()
    assert image.shape == (2, 15)
    assert (image[0] == image[1]).all()
    assert len(set(image[0].tolist())) == 15


def test_a_report_needs_a_module():
    with pytest.raises(sharing.SharingError, match=r"torch\.nn\.Module"):
        sharing.report("weights")


def test_a_report_takes_inputs_without_a_batch_and_keeps_the_random_numbers():
    model, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout(), Noise()), torch.zeros(1, 1, 9, 9)
    state = torch.get_rng_state()
    with_batch, without = sharing.report(model, x), sharing.report(model, x[0])
    assert without.untied == with_batch.untied == 49 * 20
    assert with_batch.rows[0].pattern.shape == without.rows[0].pattern.shape == (49, 81)
    assert torch.equal(state, torch.get_rng_state())


class Noise(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


def test_only_parameters_are_tied_or_follow_a_pattern():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    sharing.share(model, "1.weight", sharing.hashed((3, 3), 4))
    for target in ("1.weight", "2.running_mean"):
        with pytest.raises(sharing.SharingError, match=f"'{target}' is computed, or a buffer"):
            sharing.tie(model, target, "0.weight")
        with pytest.raises(sharing.SharingError, match=f"'{target}' is computed, or a buffer"):
            sharing.share(model, target, sharing.hashed((3, 3), 4))


def test_the_penalty_of_hard_sharing_is_zero():
    model = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    soft = sharing.SoftSharing(model, lambda _: 1.0, ties=[["0.weight", "1.weight"]])
    soft.harden()
    assert soft.penalty(0).item() == 0
