"""Readers of lidar scans, depth images, shapes and calibrations. Each one checks what it reads."""
