"""Derived reading lists (abgeleitete Messwertlisten): what contracts make of the original lists, by the rule sets."""
