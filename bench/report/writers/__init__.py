"""Tables in the formats a reader takes: text, Markdown, CSV, LaTeX, HTML, a model index."""
