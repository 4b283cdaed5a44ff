"""Rare escapes by adaptive multilevel splitting: rates far below what direct simulation can see."""

from diffusion.splitting.rate import rare_escape_rate

__all__ = ["rare_escape_rate"]
