"""The life of one execution environment, and the pool of them."""
