"""Two sets of results held against each other, and the gate. Imports no torch."""
