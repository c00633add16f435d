"""Colours: contrast as WCAG 2.2 defines it, and how far colours are apart for every eye."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Machado, Oliveira and Fernandes (2009), severity 1; they apply to linear RGB.
EYES: dict[str, Floats] = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                    [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


def rgba(css: str) -> tuple[Floats, float]:
    """Return a colour as a style has it: its channels in [0, 1] and its alpha."""
    if css.startswith("#"):
        return np.array([int(css[i : i + 2], 16) / 255 for i in (1, 3, 5)]), 1.0
    numbers = [float(n) for n in re.findall(r"[\d.]+", css)]
    return np.array(numbers[:3]) / 255, numbers[3] if len(numbers) > 3 else 1.0


def linear(colours: Any) -> Floats:
    """Return channels in [0, 1] without the gamma of sRGB."""
    channels = np.asarray(colours, dtype=float)
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: Any, other: Any) -> Any:
    """Return the ratio of contrast, 1 to 21, of colours with channels in [0, 1]."""
    first, second = (linear(c) @ np.array([0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, other))
    return np.maximum(first, second) / np.minimum(first, second)


def worst_contrast(css: str, opacity: float, behind: Floats) -> float:
    """Return the contrast of a text that at least nine in ten of the pixels behind it reach."""
    colour, alpha = rgba(css)
    share = alpha * opacity
    return float(np.quantile(contrast(colour * share + behind * (1 - share), behind), 0.1))


def apart(one: str, other: str, eye: str) -> float:
    """Return the distance in CIE L*a*b* (1976) between two colours for an eye."""
    return float(np.linalg.norm(_lab(one, eye) - _lab(other, eye)))


def _lab(css: str, eye: str) -> Floats:
    seen = np.clip(EYES[eye] @ linear(rgba(css)[0]), 0, 1)
    xyz = _TO_XYZ @ seen / (_TO_XYZ @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
