"""Loss landscapes: the quadratic of the theorems, wells with barriers, valleys that bend, and a user's own."""

from diffusion.landscapes.base import PARAMETERS, Formulas, Landscape, Pieces, Valley, Written
from diffusion.landscapes.own import CoupledLandscape, SeparableLandscape
from diffusion.landscapes.parabolas import DoubleParabola, TripleParabola
from diffusion.landscapes.quadratic import QuadraticSaddle
from diffusion.landscapes.styblinski_tang import StyblinskiTang
from diffusion.landscapes.valleys import Channel, CurvedValley, MuellerBrown

__all__ = [
    "PARAMETERS",
    "Channel",
    "CoupledLandscape",
    "CurvedValley",
    "DoubleParabola",
    "Formulas",
    "Landscape",
    "MuellerBrown",
    "Pieces",
    "QuadraticSaddle",
    "SeparableLandscape",
    "StyblinskiTang",
    "TripleParabola",
    "Valley",
    "Written",
]
