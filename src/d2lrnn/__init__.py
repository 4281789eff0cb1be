"""The helper package of d2lrnn, a book on recurrent neural networks."""
