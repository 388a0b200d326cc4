"""Where lines come from: files, their rotations, and what stands beside them."""
