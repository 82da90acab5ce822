"""Training a judge: pairs, labels, filter and export of its data, and the training itself."""
