"""Sphinx extension: each figure of a notebook gets a second picture, for the dark page.

Its colours keep their hue, so that a model has its colour there too; their lightness is turned round, so that white
becomes the page's dark ground.
"""

import colorsys
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.transforms.post_transforms import SphinxPostTransform

GROUND, TEXT = 0x12 / 0xFF, 0.92  # the lightness of the dark page and of what was black


def turned(red, green, blue):
    """A colour for the dark page; all are numbers from 0 to 255."""
    hue, lightness, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    lightness = GROUND + (TEXT - GROUND) * (1 - lightness) ** 0.7  # colours in the middle stay bright
    return [round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, saturation)]


def darken(picture):
    """The dark version of a PNG file, beside it.

    Args:
        picture: Path.

    Returns:
        Path.
    """
    dark = picture.with_name(f"{picture.stem}-dark.png")
    if not dark.exists():  # its name is a hash of its content
        image = Image.open(picture)
        if image.mode != "P":
            image = image.convert("RGB").quantize(256)
        palette = image.getpalette()
        image.putpalette([part for i in range(0, len(palette), 3) for part in turned(*palette[i : i + 3])])
        image.save(dark, optimize=True)
    return dark


class DarkFigures(SphinxPostTransform):
    default_priority = 50  # after myst-nb has chosen what to show of each output
    formats = ("html",)

    def run(self, **kwargs):
        images = self.env.images
        for image in list(self.document.findall(nodes.image)):
            if "jupyter_execute" in image["uri"] and image["uri"].endswith(".png"):
                name = darken(Path(self.env.srcdir, image["uri"])).name
                twin = image.deepcopy()
                twin["uri"] = str(Path(image["uri"]).with_name(name))
                images.add_file(self.env.docname, twin["uri"])
                twin["candidates"] = {"image/png": twin["uri"]}
                image["classes"].append("only-light")
                twin["classes"].append("only-dark")
                image.parent.insert(image.parent.index(image) + 1, twin)


def setup(app):
    app.add_post_transform(DarkFigures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
