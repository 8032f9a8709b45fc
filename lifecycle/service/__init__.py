"""The lifecycle service: the record over HTTP for those who act and those who read, and a cockpit to look at it."""
