"""Sources of depth frames: RGB-D walks as data sets publish them."""
