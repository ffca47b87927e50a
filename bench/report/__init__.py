"""Results to tables, figures and pages. Imports no torch."""
