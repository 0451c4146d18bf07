"""Measures as plain functions of arrays: no models, no files."""
