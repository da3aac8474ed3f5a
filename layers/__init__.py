"""Layers: pure functions from the live state to what is drawn; the registry below is every layer there is."""

from layers import (
    air,
    alarms,
    alerts,
    case_clocks,
    case_heatmap,
    coverage,
    exercise,
    grid_map,
    open_cases,
    smart_bins,
    staff,
    traffic,
    water,
)
from layers.contract import Layer, as_layer

# In the order in which the map lists them. A new layer is one module and one word here.
LAYERS: dict[str, Layer] = {
    layer.spec.key: layer
    for layer in map(
        as_layer,
        (
            *(grid_map, case_heatmap, open_cases, case_clocks, smart_bins, traffic, air, water, staff, coverage),
            *(alerts, alarms, exercise),
        ),
    )
}
