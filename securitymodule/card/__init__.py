"""The software module (Sicherheitsmodul in Software): a security module in a directory, for a gateway without a chip.

It answers APDUs as a chip would (:mod:`securitymodule.coding` says which), keeps keys, PINs, files and its own life
cycle, and gives no private key away. What software cannot do is said in :mod:`securitymodule.card.sealing`.
"""
