"""Objects found in pictures that nobody labelled: slot attention trains on scenes that are made on the spot.

    python examples/object_discovery.py [--scenes tetrominoes|sprites] [--minutes 10] [--seed 0] [--quick] [--out FOLDER]

Prints the reconstruction error and the foreground ARI on scenes not trained on, and saves a picture: each row is an input, its
reconstruction, and the mask of each slot. Ctrl-C ends the training, and the picture is of the model so far.
"""

import argparse
from pathlib import Path

import matplotlib
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch.utils.data import DataLoader, TensorDataset

from equishare.files import replacing
from equishare.gallery import ObjectDiscovery, ObjectDiscoveryModule
from equishare.gallery.scenes import sprites, tetrominoes
from equishare.training.soap import SOAP

SCENES = {"tetrominoes": tetrominoes, "sprites": sprites}


class Report(Callback):
    """Prints a line after each validation."""

    def on_validation_epoch_end(self, trainer, module):
        """A line, but not for the check of sanity."""
        if not trainer.sanity_checking:
            error = float(trainer.callback_metrics.get("loss", float("nan")))
            ari = float(trainer.callback_metrics["ari"])
            print(
                f"{100 * min(1.0, module.progress):4.0f} %  step {module.global_step:6d}  error {error:.5f}  ARI {ari:.4f}",
                flush=True,
            )


def loader(scenes, batch, seed=None):
    """Batches of images and labels; in a seeded random order if a seed is given."""
    data = TensorDataset(scenes.images, scenes.labels)
    if seed is None:
        return DataLoader(data, batch)
    return DataLoader(data, batch, shuffle=True, drop_last=True, generator=torch.Generator().manual_seed(seed))


def save_picture(model, scenes, path, rows=8):
    """Input, reconstruction and the masks of the slots, side by side; a scene a row."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    images = scenes.images[:rows].float() / 255
    model.eval()
    with torch.no_grad():
        found = model(images)
    panels = [
        images,
        found.reconstruction.clamp(0, 1),
        *(mask[:, None].expand_as(images) for mask in found.masks.unbind(1)),
    ]
    framed = [torch.nn.functional.pad(panel, [1, 1, 1, 1], value=0.5) for panel in panels]
    grid = torch.cat([torch.cat(list(panel), dim=1) for panel in framed], dim=2).permute(1, 2, 0)
    large = grid.repeat_interleave(3, 0).repeat_interleave(3, 1)
    with replacing(path) as beside:
        pyplot.imsave(beside, large.numpy(), format="png")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", choices=sorted(SCENES), default="tetrominoes")
    parser.add_argument("--minutes", type=float, default=10.0, help="training time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100_000, help="scenes to train on")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the picture")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.minutes, arguments.count = 0.05, 64
    seed_everything(arguments.seed, verbose=False)
    make = SCENES[arguments.scenes]
    train, unknown = (
        make(arguments.count, seed=2 * arguments.seed),
        make(min(320, arguments.count), seed=2 * arguments.seed + 1),
    )
    model = ObjectDiscovery(slots=4)
    print(f"{len(train.images):,} scenes to train on, {len(unknown.images)} others to judge by")
    module = ObjectDiscoveryModule(
        model, seconds=60 * arguments.minutes, optimizer=lambda parameters: SOAP(parameters, lr=4e-3)
    )
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        val_check_interval=200,
        check_val_every_n_epoch=None,
        callbacks=[Report()],
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    try:
        trainer.fit(module, loader(train, 32, seed=arguments.seed), loader(unknown, 64))
    except (KeyboardInterrupt, SystemExit):
        print("interrupted: the picture is of the model so far")
    finally:
        arguments.out.mkdir(parents=True, exist_ok=True)
        save_picture(model, unknown, arguments.out / "objects.png")
        print(f"Picture: {arguments.out / 'objects.png'}")


if __name__ == "__main__":
    main()
