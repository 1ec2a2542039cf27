"""From "invoke this function" to an answer."""
