"""One file per metric: its rows and its formulas. What stands here as ``ROWS`` is in the table of metrics."""
