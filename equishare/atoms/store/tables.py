"""What a store says of itself: ``store.json``, and ``kinds.jsonl`` with what many frames have in common."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from equishare.atoms.checks.findings import Remark
from equishare.atoms.frame import Frame
from equishare.atoms.source import Source
from equishare.continuing import differences
from equishare.errors import EquishareError
from equishare.files import write_text

FORMAT = "equishare-frames-2"
HEADER, KINDS = "store.json", "kinds.jsonl"


class StoreError(EquishareError):
    """A store of frames cannot be used; the message says what to do."""


@dataclass
class Header:
    """What ``store.json`` holds.

    Attributes:
        sources: Files (absolute, with their slices), with the size and time of each when it was read.
        keys: Names in the files that were given.
        counts: Frames of each source that are complete.
        labels: Names of the labels that some frame has.
        frames, atoms, pairs, shifts, kinds: Rows that are complete.
        digest: Of all of them.
        complete: Whether all frames of the sources are there.
    """

    sources: list[tuple[str, int, int]]
    keys: dict[str, str]
    counts: list[int]
    labels: list[str] = field(default_factory=list)
    frames: int = 0
    atoms: int = 0
    pairs: int = 0
    shifts: int = 0
    kinds: int = 0
    digest: str = ""
    complete: bool = False
    format: str = FORMAT

    @classmethod
    def of(cls, sources: Sequence[str | os.PathLike[str]], keys: Mapping[str, str]) -> Header:
        """That of files as they are now, before a frame is in the store."""
        named = [Source.absolute(os.fspath(source)) for source in sources]
        return cls([(name, *stamp(Source.of(name).file)) for name in named], dict(keys), [0] * len(named))

    def has_origin_of(self, other: Header) -> bool:
        """Whether both are of the same files, unchanged, read by the same keys."""
        origins = ({"sources": header.sources, "keys": header.keys} for header in (self, other))
        return not differences(*origins)

    def write(self, folder: Path) -> None:
        """Write the file, whole or not at all."""
        write_text(folder / HEADER, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, folder: Path) -> Header:
        """What a store says of itself.

        Raises:
            StoreError: if it is none, damaged, or of another version.
        """
        try:
            content = json.loads((folder / HEADER).read_text(encoding="utf-8"))
            known = content.pop("format")
            if known != FORMAT:
                raise StoreError(
                    f"{folder} is a store of another version of equishare (format {known!r}, expected {FORMAT!r}); remove it, and it "
                    "is made again from its files"
                )
            header = cls(**content)
        except StoreError:
            raise
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise StoreError(f"{folder} is no store of frames, or is damaged ({error}); {again(folder)}") from error
        header.sources = [(str(name), int(size), int(time)) for name, size, time in header.sources]
        return header


def again(folder: Path) -> str:
    """What to do with a store that cannot be used."""
    return f"remove the folder {folder}, and it is made again from its files"


@dataclass(frozen=True)
class Kind:
    """What many frames have in common.

    Attributes:
        file: Where they come from.
        config_type: What the file calls them.
        pbc: Periodic directions.
        labels: Names of their labels.
        conditions: What goes into the network.
        keys: Names in the file of labels and conditions.
        remarks: What was decided when they were read.
        not_finite: Labels that hold NaN or infinity.
        columns: What the file says of them, by name, used or not.
    """

    file: str
    config_type: str
    pbc: tuple[bool, ...]
    labels: tuple[str, ...]
    conditions: Mapping[str, int | str]
    keys: Mapping[str, str]
    remarks: tuple[Remark, ...]
    not_finite: frozenset[str]
    columns: frozenset[str]

    @classmethod
    def of(cls, frame: Frame) -> Kind:
        """The kind of a frame."""
        return cls(
            file=frame.file,
            config_type=frame.config_type,
            pbc=tuple(bool(each) for each in frame.atoms.pbc),
            labels=tuple(sorted(frame.labels)),
            conditions=dict(frame.conditions),
            keys=dict(frame.keys),
            remarks=frame.remarks,
            not_finite=frame.not_finite,
            columns=frame.columns,
        )

    def line(self) -> str:
        """As text: a line of JSON, the same for the same kind."""
        plain = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in vars(self).items()}
        return json.dumps(plain, sort_keys=True)

    @classmethod
    def parse(cls, line: str) -> Kind:
        """The kind of a line."""
        values: dict[str, Any] = json.loads(line)
        values["pbc"], values["labels"] = tuple(values["pbc"]), tuple(values["labels"])
        values["remarks"] = tuple(Remark(*remark) for remark in values["remarks"])
        values["not_finite"], values["columns"] = frozenset(values["not_finite"]), frozenset(values["columns"])
        return cls(**values)


def read_kinds(folder: Path, count: int) -> list[Kind]:
    """The first kinds of a store.

    Raises:
        StoreError: if there are fewer, or one is garbled.
    """
    try:
        with (folder / KINDS).open(encoding="utf-8") as stream:
            kinds = [Kind.parse(line) for _, line in zip(range(count), stream, strict=False)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{folder / KINDS} cannot be read: {error}; {again(folder)}") from error
    if len(kinds) < count:
        raise StoreError(f"{folder / KINDS} holds {len(kinds)} rows, expected {count}; {again(folder)}")
    return kinds


def stamp(file: str) -> tuple[int, int]:
    """Size and time of a file, or of all in a folder: another stamp, other content."""
    paths = [Path(file)] if not os.path.isdir(file) else sorted(Path(file).rglob("*"))
    found = [path.stat() for path in paths if path.is_file()]
    return sum(status.st_size for status in found), max((status.st_mtime_ns for status in found), default=0)
