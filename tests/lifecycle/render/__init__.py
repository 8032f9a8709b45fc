"""Tests of the law's other forms."""
