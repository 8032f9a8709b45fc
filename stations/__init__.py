"""Whoever acts on a gateway, and the meters to test it against. Stations use public interfaces only."""
