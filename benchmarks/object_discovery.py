"""Objects found in generated Tetrominoes-like scenes: foreground ARI of several seeds, and how many of them fail.

    python benchmarks/object_discovery.py [--seeds 0 1 2 3 4] [--steps 12000] [--table]

Each seed draws its own weights, training scenes and order; all are judged on the same 1,000 scenes, which none trains on. After each
seed the results are written to benchmarks/results/object_discovery.json, with machine, date, versions, recipe and processor time;
seeds that are there already with the same recipe are not run again. ``--table`` prints what is there.
"""

import argparse
import time
from pathlib import Path

import measuring
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, TensorDataset

from equishare.gallery import ForegroundARI, ObjectDiscovery, ObjectDiscoveryModule
from equishare.gallery.scenes import tetrominoes
from equishare.training.soap import SOAP

TEST_SEED = 999_983
LIMIT = 0.98


def train(seed, steps, batch, rate, scenes):
    """A trained model, its course, and the processor time of training in seconds."""
    torch.manual_seed(seed)
    model = ObjectDiscovery(slots=4)
    module = ObjectDiscoveryModule(model, steps=steps, optimizer=lambda parameters: SOAP(parameters, lr=rate))
    course, images, labels = [], *judged(scenes=320, seed=TEST_SEED + 1)

    def report(module=module):
        if module.global_step % 250 == 0:
            spent = time.process_time() - started
            course.append([module.global_step, round(spent), round(ari(found(model, images), labels), 4)])
            print(
                f"seed {seed}: step {course[-1][0]}, {course[-1][1]} s of processor time, ARI {course[-1][2]}",
                flush=True,
            )

    data = tetrominoes(scenes, seed=seed)
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(TensorDataset(data.images), batch, shuffle=True, drop_last=True, generator=order)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(accelerator="cpu", max_epochs=-1, **quiet)
    stop = module.on_train_batch_end
    module.on_train_batch_end = lambda *a: (report(), stop(*a))
    started = time.process_time()
    trainer.fit(module, loader)
    return model, course, time.process_time() - started


def judged(scenes=1000, seed=TEST_SEED):
    test = tetrominoes(scenes, seed=seed)
    return test.images.float() / 255, test.labels.long()


def found(model, images):
    """The slot of each pixel, with initial noise of a fixed seed."""
    was = model.training
    model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        slots = torch.cat([model(x).masks.argmax(1) for x in images.split(100)])
    model.train(was)
    return slots


def ari(slots, labels):
    """Mean foreground ARI."""
    metric = ForegroundARI()
    metric.update(slots, labels)
    return float(metric.compute())


def colours(images, labels):
    """How many colours the pieces of each scene have."""
    counts = []
    for image, label in zip(images, labels, strict=True):
        pieces = [image[:, label == k][:, 0].tolist() for k in label.unique() if k > 0]
        counts.append(len({tuple(colour) for colour in pieces}))
    return torch.tensor(counts)


def judge(model):
    """ARI on the scenes of the test, and on those of pieces in one, two and three colours."""
    images, labels = judged()
    slots, counts = found(model, images), colours(images, labels)
    parts = {n: counts == n for n in counts.unique().tolist()}
    return {
        "ari": round(ari(slots, labels), 5),
        "by colours": {
            str(n): {"scenes": int(own.sum()), "ari": round(ari(slots[own], labels[own]), 5)}
            for n, own in parts.items()
        },
    }


def table(results):
    rows = results["seeds"]
    print("seed   ARI     of pieces in 1, 2, 3 colours   processor minutes")
    for seed, row in sorted(rows.items(), key=lambda item: int(item[0])):
        parts = " ".join(f"{part['ari']:8.4f}" for part in row["by colours"].values())
        note = "" if row["ari"] >= LIMIT else f"below {LIMIT}"
        print(f"{seed:>4s}   {row['ari']:.4f}  {parts}   {row['seconds'] / 60:16.1f}   {note}")
    failed = sum(row["ari"] < LIMIT for row in rows.values())
    print(f"{failed} of {len(rows)} seeds below {LIMIT}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--scenes", type=int, default=100_000)
    parser.add_argument("--save", type=Path, help="folder for the trained weights")
    parser.add_argument("--table", action="store_true", help="print the results that are there")
    arguments = parser.parse_args()
    recipe = {name: getattr(arguments, name) for name in ("steps", "batch", "rate", "scenes")}

    def results():
        """What is there of this recipe; read anew each time, so that two processes may share the seeds."""
        there = measuring.read("object_discovery")
        return there if arguments.table or there.get("recipe") == recipe else {"recipe": recipe, "seeds": {}}

    if arguments.table:
        table(results())
        return
    for seed in arguments.seeds:
        if str(seed) in results()["seeds"]:
            continue
        model, course, seconds = train(seed, **recipe)
        row = {
            **judge(model),
            "seconds": round(seconds, 1),
            "course": course,
            "machine": measuring.machine("torch", "lightning", "numpy"),
        }
        whole = results()
        whole["seeds"][str(seed)] = row
        measuring.write("object_discovery", whole)
        if arguments.save:
            arguments.save.mkdir(parents=True, exist_ok=True)
            torch.save(model.state_dict(), arguments.save / f"seed{seed}.pt")
    table(results())


if __name__ == "__main__":
    main()
