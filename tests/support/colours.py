"""How well colours can be told apart, by WCAG 2."""

from __future__ import annotations

from PIL import ImageColor


def luminance(colour: str) -> float:
    """Relative, between 0 and 1."""
    channels = (channel / 255 for channel in ImageColor.getrgb(colour))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio, between 1 and 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
