"""Tests of ``gateway.lmn``."""
