"""Tests of the Smart Metering PKI."""
