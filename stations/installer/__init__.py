"""The installer's station: Monteur (for the MSB) and Erstkonfigurator (for the GWA) on site, ch. 8, 9, 12 and 18."""
