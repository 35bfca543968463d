"""One owner thread a model, and the fair queue before it."""
