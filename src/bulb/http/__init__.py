"""HTTP/1.1 on asyncio: the values, and the server connection that the front door and the Runtime API share."""
