"""Colours of the layers: the tokens of the screens, chosen to stay apart for colour-blind eyes.

Order and lightness carry the meaning, hue only helps: every ramp grows monotonically in lightness or is joined
by a shape (`marks`). "No data" is a colour of its own and is hatched by the map; it is never zero's colour.
"""

# One hue on the dark ground, more is brighter: six steps from #16324F over #1F6FA8 to #8AD4FF.
QUANTITY = ("#16324F", "#1A4A73", "#1D5C8E", "#1F6FA8", "#5AA6D6", "#8AD4FF")
NOTHING = "#0F2236"  # a true zero: just above the ground
NO_DATA = "#3A4252"  # hatched on the map

# I 特别严重, II 严重, III 较重, IV 一般; always with shape and word.
SEVERITY = ("#FF5A5F", "#FF9F1C", "#FFD166", "#5AA9E6")

# 畅通 … 严重拥堵 and, for bins, empty … full: from quiet to loud.
FLOW = ("#2E8B7A", "#8FBF8F", "#FFD166", "#FF9F1C", "#FF5A5F")
FILL = ("#1D5C8E", "#1F6FA8", "#5AA6D6", "#FFD166", "#FF9F1C")

# Levels of HJ 633: 优 绿, 良 黄, 轻度 橙, 中度 红, 重度 紫, 严重 褐红 (hues of the standard, set for a dark ground).
AIR = ("#2EC27E", "#FFD166", "#FF9F1C", "#FF5A5F", "#B26BD6", "#9E3B4E")
# Classes of GB 3838: I–II blue, III green, IV yellow, V orange, 劣V red.
WATER = ("#8AD4FF", "#5AA9E6", "#2EC27E", "#FFD166", "#FF9F1C", "#FF5A5F")

# Density of cases: dark blue, violet, orange, pale; the low end is transparent.
HEAT = ("#1B2A6B00", "#3B2E8C", "#8A3FA0", "#F0803C", "#FFE9C7")

# The light of a clock: green to 80 % of the limit, yellow to all of it, red beyond.
CLOCK = ("#2EC27E", "#F5C211", "#FF5A5F")

PRESENT = "#2EC27E"
ABSENT = "#7A8BA6"
