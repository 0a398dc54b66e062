"""The contenders: one module each, with a class `Contender` that satisfies `work.Trains`."""
