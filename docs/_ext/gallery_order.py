"""The order of the gallery: from the first question to the last."""

ORDER = (
    "saddle_cloud",
    "theorem_2",
    "drift_share",
    "curvature",
    "adai_shipped",
    "torch",
    "substeps",
    "density",
    "survival",
    "sharpness",
    "noise_convention",
    "kramers_turnover",
    "two_temperatures",
    "committor",
    "rare_escapes",
    "reactive_paths",
    "over_the_pass",
    "many_directions",
    "which_minimum",
)


def place(name: str) -> int:
    """Where a script stands."""
    return ORDER.index(name.removeprefix("plot_").removesuffix(".py"))


class GalleryOrder:
    """What sphinx-gallery calls for each folder, and then for each name."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> int:
        """A key to sort by."""
        return place(name)
