"""A model for other programs: vectors as Parquet and NumPy, a FAISS index, and towers as ONNX."""
