"""The escape job: rates against the sharpness of a minimum, as sweeps."""
