"""The Smart Metering PKI (SM-PKI): profiles, Root and Sub-CA, requests, CRLs, path validation, content data security.

Three tiers (TR-03116-3 ch. 3): a Root, Sub-CAs, and the end entities GWA, GWH, EMT and SMGW, each of which holds three
keys: TLS, SIG and ENC. What TR-03109-4 fixes and is not public in full (names, life times, encodings) is ours where a
docstring says "ours".

This package knows nothing of the law, of gateways or of stations. Whatever needs a private key takes one of the small
protocols of :mod:`smpki.keys`, so that a security module can hold it.
"""
