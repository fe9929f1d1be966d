"""Rooms, walks through them, and the files of ScanNet and SUN RGB-D."""
