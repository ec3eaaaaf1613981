"""How the shipped weights are made and evaluated. scikit-learn lives here, never in a function."""
