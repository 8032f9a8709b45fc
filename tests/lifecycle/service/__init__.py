"""Tests of :mod:`lifecycle.service`, against a service that really runs."""
