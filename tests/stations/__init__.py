"""Tests of ``stations``."""
