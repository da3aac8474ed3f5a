"""The second peer of `wall`: the same picture as a Panel dashboard, fed once a second.

This is Panel's own fast way: its default plots (Bokeh) with WebGL, and of each table only the rows that changed are
sent. It runs in an environment of its own (see `setup/install-bench-tools`): `python panel_page.py PORT`.
"""

import sys

import numpy
import panel
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

WEST, SOUTH, EAST, NORTH = 120.0, 29.5, 120.5, 29.95
ACROSS, CASES, SENSORS = 100, 1_000, 99_000
CHANGED_CELLS, CHANGED_CASES, CHANGED_SENSORS = 20, 20, 900
COLOURS = numpy.array(["#16324F", "#1D5C8E", "#1F6FA8", "#5AA6D6", "#8AD4FF"])


class Picture:
    """The tables of cells, cases and sensors, and what changes in them with each update."""

    def __init__(self) -> None:
        self._dice = numpy.random.default_rng(11)
        column, row = numpy.tile(numpy.arange(ACROSS), ACROSS), numpy.repeat(numpy.arange(ACROSS), ACROSS)
        x, y = numpy.linspace(WEST, EAST, ACROSS + 1), numpy.linspace(SOUTH, NORTH, ACROSS + 1)
        corners = {"left": x[column], "right": x[column + 1], "bottom": y[row], "top": y[row + 1]}
        self.cells = ColumnDataSource(corners | {"colour": self._choose(ACROSS**2)})
        self.cases = ColumnDataSource(self._strew(CASES))
        self.sensors = ColumnDataSource(self._strew(SENSORS) | {"colour": self._choose(SENSORS)})

    def update(self) -> None:
        """Change cells and sensors, bring in new cases and let as many old ones go."""
        self._recolour(self.cells, ACROSS**2, CHANGED_CELLS)
        self.cases.stream(self._strew(CHANGED_CASES), rollover=CASES)
        self._recolour(self.sensors, SENSORS, CHANGED_SENSORS)

    def _recolour(self, table: ColumnDataSource, size: int, count: int) -> None:
        rows = self._dice.choice(size, count, replace=False).tolist()
        table.patch({"colour": list(zip(rows, self._choose(count), strict=True))})

    def _choose(self, count: int) -> list[str]:
        return COLOURS[self._dice.integers(0, len(COLOURS), count)].tolist()

    def _strew(self, count: int) -> dict[str, numpy.ndarray]:
        return {"lon": self._dice.uniform(WEST, EAST, count), "lat": self._dice.uniform(SOUTH, NORTH, count)}


def lay_out() -> panel.pane.Bokeh:
    """Return the page of one viewer."""
    picture = Picture()
    plot = figure(
        output_backend="webgl",
        sizing_mode="stretch_both",
        min_height=1000,
        x_range=Range1d(WEST, EAST),
        y_range=Range1d(SOUTH, NORTH),
        background_fill_color="#0B1220",
    )
    plot.quad(
        source=picture.cells,
        fill_color="colour",
        line_color=None,
        **{side: side for side in ("left", "right", "bottom", "top")},
    )
    plot.scatter("lon", "lat", source=picture.cases, size=20, fill_color="#F0803C", fill_alpha=0.1, line_color=None)
    plot.scatter("lon", "lat", source=picture.sensors, size=5, fill_color="colour", line_color=None)
    panel.state.add_periodic_callback(picture.update, 1000)
    return panel.pane.Bokeh(plot, sizing_mode="stretch_both", min_height=1000)


if __name__ == "__main__":
    panel.serve(lay_out, port=int(sys.argv[1]), show=False, title="Panel")
