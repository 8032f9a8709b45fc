"""The security module (Sicherheitsmodul, BSI TR-03109-2): what holds the keys and does the work with them.

Knows nothing of a gateway's phases; its own life cycle is in :mod:`securitymodule.coding`.
"""
