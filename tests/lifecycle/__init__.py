"""Tests of the law, of its proof and of what is derived from it."""
