"""Shapes of vehicles, people and cyclists."""
