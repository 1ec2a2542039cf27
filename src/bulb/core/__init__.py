"""Values and pure rules everybody may use. Imports nothing else of Bulb and does no I/O."""
