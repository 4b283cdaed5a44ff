"""Problems that claims share: saddles, wells, their exact rates, and the runs of Theorem 4."""
