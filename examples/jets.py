"""Jets made by a formula, for lorentz_jets.py: heavy particles that fall into three, light ones that fall into two."""

import torch
from torch.nn import functional

PARTICLES = 20


def direction(count, rng):
    """Unit vectors."""
    return functional.normalize(torch.randn(count, 3, generator=rng), dim=1)


def boosted(momenta, velocity):
    """Momenta [..., 4] as a frame sees them that moves with -velocity [..., 3]."""
    gamma = 1 / (1 - velocity.square().sum(-1, keepdim=True)).sqrt()
    energy, space = momenta[..., :1], momenta[..., 1:]
    along = (space * velocity).sum(-1, keepdim=True)
    moved = space + velocity * (gamma**2 / (gamma + 1) * along + gamma * energy)
    return torch.cat([gamma * (energy + along), moved], -1)


def decay(mother, masses, rng):
    """Two particles of given masses [count] that a moving particle [count, 4] falls into."""
    mass = (mother[:, 0] ** 2 - mother[:, 1:].square().sum(1)).clamp(min=1e-6).sqrt()
    first, second = masses
    energy = (mass**2 + first**2 - second**2) / (2 * mass)
    size = (energy**2 - first**2).clamp(min=0).sqrt()
    way = direction(len(mother), rng) * size[:, None]
    pair = torch.stack([torch.cat([energy[:, None], way], 1), torch.cat([(mass - energy)[:, None], -way], 1)], 1)
    return boosted(pair, (mother[:, 1:] / mother[:, :1])[:, None].expand(-1, 2, -1))


def jets(count, rng):
    """Momenta [count, 20, 4] in units of 100, and whether each is a signal."""
    label = torch.rand(count, generator=rng) < 0.5
    zero = torch.zeros(count)
    mass = torch.where(label, 173.0, 173 * torch.exp(0.3 * torch.randn(count, generator=rng)))
    rest = torch.cat([mass[:, None], torch.zeros(count, 3)], 1)
    heavy = decay(rest, (torch.where(label, 80.0, zero), zero), rng)
    light = decay(torch.where(label[:, None], heavy[:, 0], rest), (zero, zero), rng)
    signal = torch.cat([heavy[:, 1:], light], 1)
    prongs = torch.where(label[:, None, None], signal, torch.cat([heavy, 0 * heavy[:, :1]], 1))
    # each prong shares its energy among particles around its direction
    owner = torch.where(
        label[:, None],
        torch.randint(3, (count, PARTICLES), generator=rng),
        torch.randint(2, (count, PARTICLES), generator=rng),
    )
    share = -torch.rand(count, PARTICLES, generator=rng).log() + 0.05
    total = torch.zeros(count, 3).scatter_add(1, owner, share)
    share = share / total.gather(1, owner)
    space = prongs[..., 1:].gather(1, owner[..., None].expand(-1, -1, 3))
    length = space.norm(dim=2, keepdim=True)
    space = share[..., None] * (space + 0.06 * length * torch.randn(space.shape, generator=rng))
    space = space + torch.randn(space.shape, generator=rng)  # soft ones
    momenta = torch.cat([space.norm(dim=2, keepdim=True), space], 2)
    speed = 0.5 + 0.4 * torch.rand(count, 1, 1, generator=rng)
    return boosted(momenta, (direction(count, rng)[:, None] * speed).expand(-1, PARTICLES, -1)) / 100, label.float()
