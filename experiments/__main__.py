"""`python -m experiments` is `diffusion-lab`."""

from experiments.cli import main

main()
