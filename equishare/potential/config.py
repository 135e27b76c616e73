"""The shape of a DensityNet, and its presets."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from equishare.atoms.properties import conditions, outputs

PresetName = Literal["fast", "small", "default", "accurate"]


class ModelConfig(BaseModel):
    """Every choice that fixes the architecture; stored in the header of a model file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(64, ge=1, description="channels of every irrep")
    layers: int = Field(2, ge=1, description="rounds of density convolution and products")
    l_density: int = Field(3, ge=0, le=6, description="highest degree of the density, before the products")
    l_features: int = Field(2, ge=0, le=6, description="highest degree of the features between layers")
    body_order: int = Field(4, ge=2, le=6, description="atoms that one layer's products couple: 2 is no product at all")
    cutoff: float = Field(5.0, gt=0, description="radius in Å within which two atoms are neighbours")
    n_basis: int = Field(8, ge=1, description="radial functions")
    n_hidden: int = Field(32, ge=1, description="width of the readout's hidden layer")
    heads: tuple[str, ...] = Field((), description="properties to read out besides the energy, such as dipole")
    conditions: tuple[str, ...] = Field(
        (), description="properties of a structure that go into the network: charge, spin, method"
    )
    methods: tuple[str, ...] = Field((), description="names of the methods that labelled the data, where that goes in")
    repulsion: Literal["zbl"] | None = Field(
        None, description="zbl: nuclei repel each other at distances shorter than those of the data"
    )

    long_range: Literal["coulomb"] | None = Field(
        None, description="coulomb: charges that the network predicts interact beyond the cutoff too"
    )

    base: Literal["xtb"] | None = Field(
        None, description="xtb: the network learns what GFN2-xTB misses, and that is added to it"
    )

    @property
    def beyond_edges(self) -> bool:
        """Whether the energy depends on more than the pairs within the cutoff.

        >>> ModelConfig().beyond_edges, ModelConfig(base="xtb").beyond_edges
        (False, True)
        """
        return self.long_range is not None or self.base is not None

    @field_validator("heads")
    @classmethod
    def _heads_in_the_table(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _in_the_table(names, [row.name for row in outputs() if not row.derived and row.name != "energy"])

    @field_validator("conditions")
    @classmethod
    def _conditions_in_the_table(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _in_the_table(names, [row.name for row in conditions()])

    @classmethod
    def preset(cls, name: PresetName) -> "ModelConfig":
        """One of the presets.

        >>> ModelConfig.preset("small").channels
        32
        """
        return cls(**PRESETS[name])


def _in_the_table(names: tuple[str, ...], possible: list[str]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in possible]
    if unknown:
        raise ValueError(f"expected some of {', '.join(possible)}, got {', '.join(unknown)}")
    return tuple(dict.fromkeys(names))


PRESETS: dict[PresetName, dict[str, Any]] = {
    "fast": {"layers": 1, "l_density": 2},
    "small": {"channels": 32, "l_density": 2, "l_features": 1},
    "default": {},
    "accurate": {"channels": 96, "body_order": 5},
}
"""From the fastest to the most accurate."""
