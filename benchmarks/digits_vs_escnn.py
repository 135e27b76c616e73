"""Turned MNIST digits: the nets of examples/rotated_digits.py and the same layers of escnn, for the same processor time.

    python benchmarks/digits_vs_escnn.py DATA --minutes 6 --escnn PYTHON [--nets ...] [--state FOLDER]

DATA is the folder of the 10,000 MNIST test digits (t10k-*-ubyte.gz), PYTHON the interpreter of an environment with escnn 1.0.11. Images,
optimizer, schedule and seeds are the example's; fields, filters, pools and samples are equal. Only the time of steps counts, on one
thread. A run that is cut off goes on where it was (``--state``); a net that is done is not run again. Results:
benchmarks/results/digits_vs_escnn.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import measuring
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples"))
from digits import Training, mnist, wrong  # noqa: E402 - needs no equishare, so that escnn's environment can run it

POINTS = 8  # of a curve


def ours(name):
    """The example's net."""
    from rotated_digits import build

    return build(name, large=True)


def theirs(name):
    """The same layers of escnn: C8 fields with ReLU, or functions on SO(2) up to frequency 3 with ELU of 28 samples."""
    from escnn import gspaces
    from escnn import nn as enn

    plane = name == "SO(2)"
    space = gspaces.rot2dOnR2(-1, maximum_frequency=3) if plane else gspaces.rot2dOnR2(8)
    before = enn.FieldType(space, [space.trivial_repr])
    layers = []
    for k, (fields, size) in enumerate(((8, 7), (12, 5), (16, 5))):
        if plane:
            activation = enn.FourierELU(space, fields, space.fibergroup.bl_irreps(3), N=28)
            after = activation.in_type
        else:
            after = enn.FieldType(space, fields * [space.regular_repr])
            activation = enn.ReLU(after)
        norm = (enn.IIDBatchNorm2d if plane else enn.InnerBatchNorm)(after)
        layers += [enn.R2Conv(before, after, size, padding=size // 2, bias=False), norm, activation]
        if k < 2:
            layers.append(enn.PointwiseAvgPoolAntialiased(after, sigma=0.66, stride=2))
        before = after
    if plane:  # lengths irrep by irrep, as ours
        irreps = enn.FieldType(space, 16 * [space.irrep(k) for k in range(4)])
        pool, kind = enn.NormPool(irreps), irreps
    else:
        pool, kind = enn.GroupPooling(before), before

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.pool = enn.SequentialModule(*layers), pool
            channels = pool.out_type.size
            self.head = nn.Sequential(
                nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.BatchNorm1d(channels), nn.Linear(channels, 10)
            )

        def forward(self, x):
            fields = self.body(enn.GeometricTensor(x, self.body.in_type)).tensor
            return self.head(self.pool(enn.GeometricTensor(fields, kind)).tensor)

    return Net()


NETS = {f"{library} {group}": (library, group) for group in ("C8", "SO(2)") for library in ("equishare", "escnn")}


def run(arguments):
    """Train one net, from its stored state if there is one; its row."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    library, group = NETS[arguments.run]
    images, labels, count = mnist(arguments.data, 0)
    torch.manual_seed(arguments.seed)
    net = (ours if library == "equishare" else theirs)(group)
    training, curve = Training(net, minutes=arguments.minutes), []
    file = arguments.state / f"{arguments.run} {arguments.minutes} {arguments.seed}.pt"
    if file.exists():
        stored = torch.load(file, weights_only=True)
        net.load_state_dict(stored["net"])
        training.optimizer.load_state_dict(stored["optimizer"])
        torch.set_rng_state(stored["rng"])
        training.made, training.seconds, curve = stored["made"], stored["seconds"], stored["curve"]
    while training.spent < 1:
        training.step(images[:count], labels[:count])
        reached = training.spent >= min(1.0, (len(curve) + 1) / POINTS)
        if reached:
            curve.append([training.seconds, wrong(net, images[count:], labels[count:])])
            print(f"  {training.seconds:4.0f} s {curve[-1][1]:6.2f} %", file=sys.stderr, flush=True)
        if reached or training.made % 100 == 0:
            state = {
                "net": net.state_dict(),
                "optimizer": training.optimizer.state_dict(),
                "rng": torch.get_rng_state(),
            }
            beside = file.with_suffix(".part")
            torch.save(state | {"made": training.made, "seconds": training.seconds, "curve": curve}, beside)
            os.replace(beside, file)
    return {
        "net": arguments.run,
        "seed": arguments.seed,
        "minutes": arguments.minutes,
        "error": curve[-1][1],
        "curve": curve,
        "steps": training.made,
        "ms_a_step": 1000 * training.seconds / training.made,
        "weights": sum(p.numel() for p in net.parameters() if p.requires_grad),
        "machine": measuring.machine("torch", "equishare", "escnn"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the digits")
    parser.add_argument("--minutes", type=float, default=6.0, help="processor time of each net")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--escnn", help="python of an environment with escnn")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / "digits_vs_escnn")
    parser.add_argument("--run", choices=list(NETS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.state.mkdir(parents=True, exist_ok=True)
    if arguments.run:
        print(json.dumps(run(arguments)))
        return
    rows = measuring.read("digits_vs_escnn").get("rows", [])
    for name in arguments.nets:
        key = (name, arguments.seed, arguments.minutes)
        python = sys.executable if NETS[name][0] == "equishare" else arguments.escnn
        if python is None or any((row["net"], row["seed"], row["minutes"]) == key for row in rows):
            continue
        print(name, flush=True)
        given = ("--minutes", arguments.minutes, "--seed", arguments.seed, "--state", arguments.state, "--run", name)
        out = subprocess.run(
            [python, __file__, *map(str, (arguments.data, *given))],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        rows.append(json.loads(out.stdout.splitlines()[-1]))
        measuring.write("digits_vs_escnn", {"rows": rows})
    print("| net | minutes | % wrong | weights | ms a step | steps |\n| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['net']} | {row['minutes']:g} | {row['error']:.2f} | {row['weights']:,} | {row['ms_a_step']:.0f} | {row['steps']:,} |"
        )


if __name__ == "__main__":
    main()
