"""Tables, figures and pages from results. No torch."""
