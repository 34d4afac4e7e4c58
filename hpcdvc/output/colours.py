"""Colours of what figures, reports and pages show, the same in all."""

#: Colours of statuses.
COLOURS = {
    3: "#7fbc41", 2: "#1b7837", 1: "#a6dba0", 0: "#d9d9d9", -1: "#fdae61", -2: "#8c510a", -3: "#d73027", -4: "#a50026",
    -5: "#ffffff", -6: "#dfc27d", -7: "#c51b7d", -8: "#4575b4", -9: "#f46d43", -10: "#984ea3", -11: "#74add1",
    -12: "#bdbdbd", -13: "#e7298a", -14: "#66c2a5", -15: "#fee08b",
}  # fmt: skip
