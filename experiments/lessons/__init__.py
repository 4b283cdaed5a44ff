"""The lessons, each a question, sliders and the experiment that answers it; `experiments.teach` makes pages of them."""

from experiments.lessons import convention, curvature, hill, momentum, saddle, sharpness, substeps, valley
from experiments.teach.lesson import Lesson

LESSONS: dict[str, Lesson] = {
    "saddle": saddle,
    "momentum": momentum,
    "curvature": curvature,
    "hill": hill,
    "sharpness": sharpness,
    "convention": convention,
    "substeps": substeps,
    "valley": valley,
}
