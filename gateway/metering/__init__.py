"""Metering (Messbetrieb): the original reading list (originäre Messwertliste)."""
