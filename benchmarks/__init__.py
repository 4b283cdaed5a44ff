"""How fast the simulator is, beside what its users would have used instead and beside the limit."""
