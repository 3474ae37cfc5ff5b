"""Trained models: one folder each, and the small registry that finds, checks and loads them."""
