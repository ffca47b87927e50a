"""From a configuration to results: cells, settings, session, stages, runner; no command line."""
