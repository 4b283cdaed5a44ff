"""Work against precision: how long each contestant takes for a given total error, on problems with known answers."""
