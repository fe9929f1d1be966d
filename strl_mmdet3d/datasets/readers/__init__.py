"""What opens a file: lidar scans, depth images, shapes, calibrations. Each reader checks what it gives."""
