"""The law of a smart meter gateway's life (TR-03109-1 Anlage VIII), and the record of what was done under it.

The law is data: states, ways out, grants and conditions stand once, in :mod:`lifecycle.phases` and
:mod:`lifecycle.evidence`. Everything else here is derived from them.
"""
