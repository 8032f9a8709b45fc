"""The factory integrator's station."""
