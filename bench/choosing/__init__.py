"""The parts of the benches `choose` and `hostile`: features of real images, rounds of labelling, and false labels."""
