"""What generates answers: one seam (`base`), a lazy registry, one file or folder per engine."""
