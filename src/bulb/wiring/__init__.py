"""How the rooms are put together, one file a wing; `house.py` opens the wings in order, and nobody else asks."""
