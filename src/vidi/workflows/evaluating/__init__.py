"""What verbs share when a model is scored or calibrated on labelled images: its training images, trust, files, boxes"""
