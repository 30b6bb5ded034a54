"""Why an answer came about: maps over the image, and the nearest training images; arrays in, arrays out."""
