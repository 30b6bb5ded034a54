"""The steps of an export in fewer bits: its labelled images, and how two files agree"""
