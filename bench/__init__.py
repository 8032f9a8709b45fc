"""Benchmarks. Machines differ, so every figure that counts is a ratio of two things measured in one run."""
