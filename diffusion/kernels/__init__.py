"""All compiled code: plain arrays and scalars in, plain arrays out. Imported when a simulation first runs."""
