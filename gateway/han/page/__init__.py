"""The consumer's page at the HAN (Anschlussnutzer-Portal): what the machine interface shows programs, for people.

It is on the same port and behind the same sign-in as the machine interface, answers GET only, keeps no session, and
loads nothing from elsewhere. Without a script it shows everything but the drawing.
"""
