"""Sources of LiDAR scans: drives as data sets publish them, listed scans, and plain folders."""
