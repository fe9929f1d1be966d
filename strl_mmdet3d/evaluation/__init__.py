"""Measures how good an encoder is: probes of its features, honest baselines, metrics, label fractions."""

from .shape_accuracy import ShapeAccuracy
