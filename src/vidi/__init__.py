"""vidi: from a folder of images to one model file that gives the same, calibrated answer everywhere."""
