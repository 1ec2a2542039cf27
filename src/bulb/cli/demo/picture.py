"""A picture to upload: drawn anew each time, so nothing has to be shipped, and as large as a camera's."""

import io
import math


def draw(width: int = 1920, height: int = 1280) -> bytes:
    """A JPEG of a light bulb's glow over a dim sky."""
    from PIL import Image, ImageDraw, ImageFilter  # noqa: PLC0415 - only the demo and the tests have it

    sky = Image.linear_gradient("L").resize((width, height)).point(lambda v: 20 + v // 4)
    picture = Image.merge("RGB", (sky, sky.point(lambda v: v + 8), sky.point(lambda v: v + 40)))
    glow = Image.new("L", (width, height))
    pen = ImageDraw.Draw(glow)
    x, y, radius = width // 2, int(height * 0.45), height // 5
    for ring in range(24, 0, -1):
        reach = int(radius * (1 + ring / 8))
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=int(200 * math.exp(-ring / 9)))
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    picture.paste((255, 214, 120), mask=glow.filter(ImageFilter.GaussianBlur(8)))
    socket = ImageDraw.Draw(picture)
    for turn in range(4):
        top = y + radius + turn * radius // 6
        socket.rounded_rectangle((x - radius // 3, top, x + radius // 3, top + radius // 8), 8, fill=(150, 150, 160))
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=90)
    return body.getvalue()
