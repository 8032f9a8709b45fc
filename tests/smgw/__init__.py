"""Tests of ``smgw``."""
