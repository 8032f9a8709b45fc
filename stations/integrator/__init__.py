"""The factory integrator's station (GWH): Anlage VIII ch. 3 to 7, for one gateway or a batch of them."""
