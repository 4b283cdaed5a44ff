"""The paper's claims about networks, tried on real networks and real data."""
