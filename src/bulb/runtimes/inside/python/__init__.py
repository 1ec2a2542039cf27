"""The Python loop. Its modules live side by side in /var/runtime, so they import each other by their plain names."""
