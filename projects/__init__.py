"""Methods outside the toolbox: one folder each, found by `custom_imports` of a config."""
