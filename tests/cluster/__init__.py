"""Tests of a real cluster of Ray on this machine; ``make test-ray`` runs them."""
