"""The steps of an export in fewer bits: its labelled images, the file, whether it is as good, and its pages"""
