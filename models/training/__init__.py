"""Training of the fully convolutional networks: data, augmentation, the loop, what it keeps."""
