"""Tests of the fuzzing, and a short run of it."""
