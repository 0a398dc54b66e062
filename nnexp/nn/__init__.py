"""The mathematics: NumPy arrays in, NumPy arrays out.

No files, no clock, no terminal, no global random state: randomness is a
`numpy.random.Generator` that the caller passes.

Conventions, stated once:

*   Batch first: inputs X have the shape (n, n_in), outputs and targets (n, n_out).
*   The weights W of a layer have the shape (n_out, n_in), the biases b (n_out,), so that
    W[j, k] is the book's w_jk, from neuron k to neuron j, and z = x Wᵀ + b.
*   A layer's weights and biases are stored side by side as one matrix [W | b] of the
    shape (n_out, n_in + 1), and all layers in one flat vector: a bias is the
    weight of an input that is always 1.
*   C of a set is the mean over its examples of the sum over the outputs.
"""
