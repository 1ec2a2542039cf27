"""What runs on the far side of the wall: the standard library and each other only, under Python 3.10 and later."""
