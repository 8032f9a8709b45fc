"""The consumers of the profiles: found by name and certificate, and others as soon as there are other profiles."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import hashes

from gateway.han.consumers import Consumer
from gateway.known_consumers import KnownConsumers
from gateway.profiles import KnownConsumer, Profiles
from tests.support.han import consumer_certificate


def test_consumers_are_those_of_the_profiles_as_they_are_now(tmp_path: Path) -> None:
    certificate, _ = consumer_certificate(tmp_path, "anna")
    anna = KnownConsumer(Consumer.known_by("anna.sm", "a long password", [certificate]), (certificate,))
    bert = KnownConsumer(Consumer.known_by("bert.sm", "another password"))
    profiles = Profiles(consumers=(anna, bert))
    known = KnownConsumers(lambda: profiles)
    fingerprint = certificate.fingerprint(hashes.SHA256())
    assert known.named("bert.sm") is bert.consumer
    assert known.named("nobody.sm") is None
    assert known.certified(fingerprint) is anna.consumer
    assert known.certified(bytes(32)) is None
    assert list(known.certificates()) == [certificate]
    profiles = Profiles(consumers=(bert,))
    assert known.named("anna.sm") is None
    assert known.certified(fingerprint) is None
    assert list(known.certificates()) == []
