"""What spatialclaw is measured on: one file a benchmark."""
