"""The worker: loops that move records, offsets, states, and the standalone herder over them."""
