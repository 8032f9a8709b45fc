"""Fuzzing: hundreds of thousands of damaged, hostile and merely odd inputs for every interface that takes bytes.

``make fuzz`` runs all of it; :mod:`fuzz.__main__` says with which options, :mod:`fuzz.targets` what is fed.
"""
