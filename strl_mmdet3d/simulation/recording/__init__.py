"""What KITTI's car records of a street, and the files that it leaves."""
