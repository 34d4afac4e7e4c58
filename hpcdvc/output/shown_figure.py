"""A figure that notebooks show by themselves, whether pyplot is in use or not."""

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure of its own, which no backend keeps; in a notebook it is what the last line of a cell shows."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=90)
        return content.getvalue()
