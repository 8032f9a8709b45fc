"""The point operations that the generic mapping of PACE needs and a key interface does not have: kP, and P + Q.

No maintained Python library offers both on the Brainpool curves without the secret scalar going through Python's
integers, whose operations take a time that depends on it (``ecdsa`` says so of itself, and leaves it at that). So the
multiplications are put together from what OpenSSL does, reached through ``cryptography``: ECDH gives the x-coordinate
of kP, a second ECDH that of (k + 1)P, and from both and P follows y (Brier and Joye, "Weierstraß Elliptic Curves and
Side-Channel Attacks", PKC 2002, as after a Montgomery ladder). Were either wrong, what comes out would be no point of
the curve, and the decoding at the end would refuse it.

What remains in Python are a few additions, multiplications and one inversion in the field, on coordinates and not on
scalars. Their time may depend on the coordinates, each of which is used in one run of PACE and never again; the secret
scalars, a nonce included, are multiplied by OpenSSL's ladder alone. Points are decoded by :func:`curves.decode_point`,
which takes none that is not on the curve.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from securitymodule.curves import (
    Curve,
    CurveError,
    InvalidPointError,
    agree,
    curve_of,
    decode_point,
    private_key,
)

Point = ec.EllipticCurvePublicKey
"""A point that is on its curve and not at infinity: ``cryptography`` makes no other."""


def multiply(scalar: int, point: Point) -> Point:
    """*scalar* times *point*.

    :param scalar: 1 to the curve's order less 1.
    :raises CurveError: if *scalar* is anything else. The message does not tell it.
    """
    curve = curve_of(point)
    if not 0 < scalar < curve.order:
        raise CurveError(f"a scalar on {curve} is 1 to the order less 1")
    x, y = _coordinates(point)
    if scalar == curve.order - 1:  # the one scalar whose successor leads to the point at infinity
        return _point(curve, x, -y)
    at = int.from_bytes(agree(private_key(curve, scalar), point), "big")
    behind = int.from_bytes(agree(private_key(curve, scalar + 1), point), "big")
    numerator = (x + at) * (x * at + curve.a) + 2 * curve.b - behind * (x - at) ** 2
    return _point(curve, at, numerator * pow(2 * y, -1, curve.p))


def add(first: Point, second: Point) -> Point:
    """The sum of two points.

    :raises CurveError: if they are on two curves.
    :raises InvalidPointError: if it is the point at infinity, which is nobody's public key.
    """
    curve = curve_of(first)
    if curve_of(second) != curve:
        raise CurveError("points on two curves have no sum")
    (x1, y1), (x2, y2) = _coordinates(first), _coordinates(second)
    if x1 != x2:
        slope = (y2 - y1) * pow(x2 - x1, -1, curve.p)
    elif y1 == y2:
        slope = (3 * x1 * x1 + curve.a) * pow(2 * y1, -1, curve.p)
    else:
        raise InvalidPointError("the sum is the point at infinity")
    x = slope * slope - x1 - x2
    return _point(curve, x, slope * (x1 - x) - y1)


def map_nonce(nonce: bytes, shared: Point) -> Point:
    """The ephemeral base point of the generic mapping: s times G, plus H (TR-03110-3, A.3.4.1; TR-03111, 4.4.1).

    :param nonce: s, big-endian, as it was encrypted.
    :param shared: H, the point agreed on by an anonymous Diffie-Hellman key agreement.
    :raises InvalidPointError: if the sum is the point at infinity.
    """
    curve = curve_of(shared)
    scalar = int.from_bytes(nonce, "big") % curve.order
    if not scalar:
        return shared
    return add(private_key(curve, scalar).public_key(), shared)


def _coordinates(point: Point) -> tuple[int, int]:
    numbers = point.public_numbers()
    return numbers.x, numbers.y


def _point(curve: Curve, x: int, y: int) -> Point:
    size, p = curve.size, curve.p
    return decode_point(curve, b"\x04" + (x % p).to_bytes(size, "big") + (y % p).to_bytes(size, "big"))
