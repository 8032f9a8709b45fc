"""Point operations, beside those of ``ecdsa``, which does them another way."""

from __future__ import annotations

import pytest
from ecdsa import curves as theirs
from ecdsa.ellipticcurve import PointJacobi
from hypothesis import given, settings
from hypothesis import strategies as st

from securitymodule.curves import (
    BRAINPOOL_P256R1,
    CURVES,
    SECP256R1,
    Curve,
    CurveError,
    InvalidPointError,
    encode_point,
    private_key,
)
from securitymodule.points import add, map_nonce, multiply

THEIRS = {
    "brainpoolP256r1": theirs.BRAINPOOLP256r1,
    "brainpoolP384r1": theirs.BRAINPOOLP384r1,
    "brainpoolP512r1": theirs.BRAINPOOLP512r1,
    "secp256r1": theirs.NIST256p,
    "secp384r1": theirs.NIST384p,
}
SCALARS = st.integers(1, 2**600)
each_curve = pytest.mark.parametrize("curve", CURVES, ids=str)


def their_base(curve: Curve) -> PointJacobi:
    return THEIRS[curve.name].generator


def their_bytes(point: PointJacobi) -> bytes:
    encoded: bytes = point.to_bytes("uncompressed")
    return encoded


@each_curve
@settings(max_examples=15)
@given(scalar=SCALARS, of=SCALARS)
def test_multiplication(curve: Curve, scalar: int, of: int) -> None:
    scalar, of = scalar % (curve.order - 1) + 1, of % (curve.order - 1) + 1
    ours = multiply(scalar, private_key(curve, of).public_key())
    assert encode_point(ours) == their_bytes(their_base(curve) * of * scalar)


@each_curve
@pytest.mark.parametrize("scalar", [1, 2, 3, -1, -2, -3])
def test_multiplication_at_its_bounds(curve: Curve, scalar: int) -> None:
    point = private_key(curve, 4711).public_key()
    assert encode_point(multiply(scalar % curve.order, point)) == their_bytes(
        their_base(curve) * (4711 * scalar % curve.order)
    )


@each_curve
@pytest.mark.parametrize("scalar", ["0", "-1", "order"])
def test_scalars_out_of_range(curve: Curve, scalar: str) -> None:
    with pytest.raises(CurveError):
        multiply(curve.order if scalar == "order" else int(scalar), private_key(curve, 1).public_key())


@each_curve
@settings(max_examples=15)
@given(first=SCALARS, second=SCALARS)
def test_addition(curve: Curve, first: int, second: int) -> None:
    first, second = first % (curve.order - 1) + 1, second % (curve.order - 1) + 1
    if (first + second) % curve.order:
        ours = add(private_key(curve, first).public_key(), private_key(curve, second).public_key())
        assert encode_point(ours) == their_bytes(their_base(curve) * ((first + second) % curve.order))


@each_curve
def test_a_point_and_itself(curve: Curve) -> None:
    point = private_key(curve, 4711).public_key()
    assert encode_point(add(point, point)) == encode_point(private_key(curve, 9422).public_key())


@each_curve
def test_a_point_and_its_opposite_have_no_sum(curve: Curve) -> None:
    with pytest.raises(InvalidPointError):
        add(private_key(curve, 4711).public_key(), private_key(curve, curve.order - 4711).public_key())


def test_points_on_two_curves_have_no_sum() -> None:
    with pytest.raises(CurveError):
        add(private_key(BRAINPOOL_P256R1, 1).public_key(), private_key(SECP256R1, 1).public_key())


@each_curve
def test_the_mapping_of_zero_is_the_shared_point(curve: Curve) -> None:
    shared = private_key(curve, 4711).public_key()
    for zero in (bytes(16), curve.order.to_bytes(curve.size, "big")):
        assert encode_point(map_nonce(zero, shared)) == encode_point(shared)


@each_curve
def test_a_nonce_that_maps_to_infinity_is_refused(curve: Curve) -> None:
    shared = private_key(curve, 4711).public_key()
    with pytest.raises(InvalidPointError):
        map_nonce((curve.order - 4711).to_bytes(curve.size, "big"), shared)
