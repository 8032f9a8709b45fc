"""The device: what a smart meter gateway (SMGW) does, always after asking the gate of :mod:`lifecycle`."""
