"""Streets: their course, what stands beside them, who moves in them."""
