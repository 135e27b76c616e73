"""The shape of a DensityNet, and its presets."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PresetName = Literal["small", "default", "accurate"]


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
    dipole: bool = Field(False, description="read out charges and atomic dipoles, and from them the dipole moment")
    repulsion: Literal["zbl"] | None = Field(
        None, description="zbl: nuclei repel each other at distances shorter than those of the data"
    )

    @property
    def n_read(self) -> int:
        """What the linear maps at the end of the energy's readouts read: the channels of all layers but the last, its hidden ones."""
        return self.channels * (self.layers - 1) + self.n_hidden

    @classmethod
    def preset(cls, name: PresetName) -> "ModelConfig":
        """One of the presets.

        >>> ModelConfig.preset("small").channels
        32
        """
        return cls(**PRESETS[name])


PRESETS: dict[PresetName, dict[str, Any]] = {
    "small": {"channels": 32, "l_density": 2, "l_features": 1},
    "default": {},
    "accurate": {"channels": 96, "body_order": 5},
}
