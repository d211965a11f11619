"""Where a scorer runs, and how single requests become batches."""
