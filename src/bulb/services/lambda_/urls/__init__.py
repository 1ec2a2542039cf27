"""Function URLs: HTTP requests to a function, and its answers as HTTP."""
