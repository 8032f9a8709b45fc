"""Tests of ``gateway.pki``."""
