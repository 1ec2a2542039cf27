"""Programs for those who work on Bulb; nothing of the product imports them."""
