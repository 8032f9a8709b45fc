"""Tests, laid out as the packages are; what they share is in ``tests.support``."""
