"""The front door: one ordered chain from an HTTP request to a service's method and back."""
