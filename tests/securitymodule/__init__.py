"""Tests of ``securitymodule``."""
