"""Local metrological network (Lokales Metrologisches Netz, LMN): what meters send, made readable."""
