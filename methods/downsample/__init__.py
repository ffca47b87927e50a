"""Area reduction to a G x G grid and bicubic enlargement: the floor of every table."""
