"""The blocks of code in the documentation, page by page, and what each page takes as given."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if not {"_build", "notebooks", "reference"} & set(page.relative_to(ROOT).parts)]


class Block(NamedTuple):
    """A fenced block: its language, its text and the line on which it begins."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text()
    found = re.finditer(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", text, re.S | re.M)
    return [Block(m[2], re.sub(f"^{m[1]}", "", m[3], flags=re.M), text[: m.start()].count("\n") + 1) for m in found]


def commands(page: Path) -> list[str]:
    """What is typed at the prompt, without the remarks beside it."""
    lines = [line for block in blocks(page) if block.language == "console" for line in block.text.splitlines()]
    return [re.sub(r"\s{2,}#.*", "", line[2:]) for line in lines if line.startswith("$ ")]


@dataclass(frozen=True)
class Given:
    """What a page takes as given: code that runs before its blocks, shorter runs, and blocks that no test can run."""

    before: str = ""
    shorter: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    slow: bool = False


MODEL = """
import torch
from equishare.check import molecule
class Model(torch.nn.Module):
    def forward(self, species, positions, edges=None):
        return (species[:, None] * species * torch.exp(-torch.cdist(positions, positions))).sum()
model, species, positions = Model(), torch.tensor([8.0, 1.0, 1.0]), torch.randn(3, 3)
edges = torch.tensor([[0, 1], [1, 0]])
"""
ATOMS = """
import torch
from equishare.datasets import load
from equishare.potential import load as load_potential
atoms = load("ethanol_test")[-1]
calculator = atoms.calc = load_potential("model.safetensors").calculator()
"""
HALF_AN_HOUR = {'max_time="30m"': "epochs=1, channels=4"}
TEN_MINUTES = {'max_time="10m"': "epochs=1"}

GIVEN = {
    "README.md": Given(
        "from equishare.datasets import load\natoms = load('ethanol_test')[0]", shorter=HALF_AN_HOUR, slow=True
    ),
    "docs/explanations/potential.md": Given(ATOMS),
    "docs/guides/checker.md": Given(
        MODEL + ATOMS + "epochs, train_an_epoch = 2, lambda model: None\nimport lightning",
        slow=True,
    ),
    "docs/guides/data.md": Given(
        "from ase.io import read, write\nimages = read('my.xyz', ':')\nfor image in images:\n"
        "    image.info['REF_energy'], image.calc = image.get_potential_energy(), None\nwrite('my.xyz', images)"
    ),
    "docs/guides/engines.md": Given(
        left_out={
            "from equishare.simulate.torchsim": "tests/simulate/test_engine_examples.py runs the example that it is taken from",
            "potential = MLPotential": "tests/simulate/test_engine_examples.py runs the example that it is taken from",
        }
    ),
    "docs/guides/fine_tune.md": Given(shorter=TEN_MINUTES, slow=True),
    "docs/guides/learn.md": Given(
        shorter={
            "first=30": "first=10",
            "max_labels=60": "max_labels=12",
            "training_steps=200": "training_steps=2",
            "campaign.number == 5": "campaign.number == 1",
            "console=Console()": "report=False",  # dynamics of 10 ps stand in the report
            'equishare.learn("ethanol.xyz", "xtb",': 'equishare.learn("ethanol.xyz", "xtb", max_labels=12, training_steps=2, first=10, report=False,',
        },
        slow=True,
    ),
    "docs/guides/md.md": Given(
        "from equishare.datasets import load\natoms = load('dry_ice')[-1]", shorter={"10_000": "5"}
    ),
    "docs/guides/own_format.md": Given(
        shorter={**TEN_MINUTES, 'out="runs/mine"': 'preset="small", channels=4, out="runs/x"'}, slow=True
    ),
    "docs/guides/points.md": Given("import torch"),
    "docs/guides/sets.md": Given(
        "import torch, torch_geometric\nfrom torch_geometric.data import Batch, Data\n"
        "one = Data(x=torch.randn(4, 3), edge_index=torch.tensor([[0, 1], [1, 2]]), edge_attr=torch.randn(2, 2))\n"
        "data = Batch.from_data_list([one, one])"
    ),
    "docs/guides/sharing.md": Given(
        "import torch\nbase, weight = torch.randn(25), torch.randn(8, 25)\nloss, step = torch.zeros(()), 3\nfrom torch import nn as plain\n"
        "example = torch.randint(7, (2, 3))\n"
        "class Model(plain.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.embedding, self.head = plain.Embedding(7, 4), plain.Linear(4, 7)\n"
        "        self.encoder, self.decoder, self.a, self.b = (plain.Linear(*s) for s in ((4, 5), (5, 4), (4, 4), (4, 4)))\n"
        "    def forward(self, x):\n"
        "        h = self.embedding(x)\n"
        "        return self.head(self.decoder(self.encoder(self.a(h) + self.b(h))))\n"
        "model, layer = Model(), plain.Linear(25, 8)\n"
    ),
    "docs/guides/train.md": Given(
        "from equishare.datasets import load\natoms = load('ethanol_test')[0]",
        shorter={'max_time="30m"': "epochs=1, channels=4", 'out="runs/mine"': 'out="runs/other"'},
        slow=True,
    ),
    "docs/measurements/gallery.md": Given(
        "import torch, lmfit\nx, y = torch.randint(4, (2, 5)), torch.randint(4, (2, 6))\n"
        "x_lengths, y_lengths = torch.tensor([5, 3]), torch.tensor([6, 4])\n"
        "guess = [[1.0, 2.0], [1.0, 2.0]]\ndef residuals(table):\n    return (table - 1.5).ravel()\n"
    ),
}
