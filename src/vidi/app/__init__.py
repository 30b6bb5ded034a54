"""`vidi app`: the whole loop on a page of this computer, from a folder of images to a model in use."""
