"""Every line of the page for people who come from other packages runs."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "guides" / "coming_from.md").read_text()
START = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]
LINES = [
    row.split(" | ")[1].rsplit(" |", 1)[0].strip() for row in PAGE.splitlines() if re.match(r"\| (?!there|---)", row)
]


def test_the_table_was_read():
    assert len(LINES) > 30
    assert all(line.startswith("`") and line.endswith("`") for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_line(line):
    names = {}
    exec(START, names)
    assert eval(line.strip("`"), names) is not None


# what escnn 1.0.11, emlp 1.0.3 and e3nn 0.6.0 export, but for e3nn's conversions of rotations, which the page names together
THEIRS = {
    "escnn.nn": """EquivariantModule BranchingModule MergeModule MultipleModule Linear R2PointConv R3PointConv R3Conv R2Conv R2ConvTransposed
        R3ConvTransposed R3IcoConv R3IcoConvTransposed R2Upsampling R3Upsampling GatedNonLinearity1 GatedNonLinearity2 GatedNonLinearityUniform
        InducedGatedNonLinearity1 NormNonLinearity InducedNormNonLinearity PointwiseNonLinearity ConcatenatedNonLinearity
        VectorFieldNonLinearity ReLU ELU LeakyReLU FourierPointwise FourierELU QuotientFourierPointwise QuotientFourierELU
        TensorProductModule ReshuffleModule NormMaxPool PointwiseMaxPool PointwiseMaxPoolAntialiased PointwiseAvgPool
        PointwiseAvgPoolAntialiased PointwiseAdaptiveAvgPool PointwiseAdaptiveMaxPool GroupPooling MaxPoolChannels NormPool
        InducedNormPool InnerBatchNorm NormBatchNorm InducedNormBatchNorm GNormBatchNorm IIDBatchNorm1d RestrictionModule
        DisentangleModule FieldDropout PointwiseDropout SequentialModule IdentityModule MaskModule HarmonicPolynomialR3""",
    "escnn.gspaces": """GSpace no_base_space rot2dOnR2 flipRot2dOnR2 flip2dOnR2 trivialOnR2 flipRot3dOnR3 rot3dOnR3 fullIcoOnR3 icoOnR3
        fullOctaOnR3 octaOnR3 dihedralOnR3 rot2dOnR3 conicalOnR3 fullCylindricalOnR3 cylindricalOnR3 mirOnR3 invOnR3""",
    "escnn.group": """direct_product double_group cyclic_group dihedral_group so2_group o2_group so3_group o3_group ico_group octa_group
        trivial_group cylinder_group full_cylinder_group directsum disentangle change_basis homomorphism_space HomSpace psi chi""",
    "emlp.groups": """Trivial SO O C D Scaling Parity TimeReversal SO13p SO13 O13 Lorentz SO11p O11 Sp Z S SL GL U SU Cube RubiksCube ZksZnxZn
        Embed SO2eR3 O2eR3 DkeR3""",
    "emlp.reps": "V Vector Scalar T bilinear_weights sparsify_basis",
    "e3nn.o3": """wigner_D wigner_3j change_basis_real_to_complex su2_generators so3_generators Irrep Irreps irrep Instruction TensorProduct
        FullyConnectedTensorProduct ElementwiseTensorProduct FullTensorProduct FullTensorProductv2 TensorSquare SphericalHarmonics
        spherical_harmonics SphericalHarmonicsAlphaBeta spherical_harmonics_alpha_beta spherical_harmonics_alpha Legendre
        ReducedTensorProducts s2_grid spherical_harmonics_s2_grid rfft irfft ToS2Grid FromS2Grid SO3Grid Linear Norm rand_matrix
        rand_angles angles_to_matrix matrix_to_quaternion""",
    "e3nn.nn": """Extract ExtractIr BatchNorm FullyConnectedNet Activation Gate Identity S2Activation SO3Activation NormActivation
        Dropout""",
    "e3nn.math": """complete_basis direct_sum orthonormalize moment normalize2mom soft_unit_step bessel soft_one_hot_linspace
        germinate_formulas reduce_permutation""",
    "emlp.nn": "Linear BiLinear GatedNonlinearity EMLP MLP Standardize uniform_rep gated torchify_fn",
}


@pytest.mark.parametrize(("module", "name"), [(m, name) for m, names in THEIRS.items() for name in names.split()])
def test_every_public_name_of_theirs_is_on_the_page(module, name):
    text = " ".join(re.findall(r"`([^`]*)`", PAGE))
    assert re.search(rf"(?<!\w){name}(?!\w)", text), f"{name} of {module} is not on the page"
