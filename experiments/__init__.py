"""The referee: claims of the paper set beside exact values, simulations and torch runs."""
