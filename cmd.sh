- A. Pierro, S. Abreu et al., "Accelerating Linear Recurrent Neural Networks for the Edge with
  Unstructured Sparsity", ICML 2025 (arXiv 2502.01330): sparse quantised S5.

[`CONTRIBUTING.md`](CONTRIBUTING.md) · BSD 3-clause licence
