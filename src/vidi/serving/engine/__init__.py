"""How images are answered: processes that decode, threads that run the session, and slots that bound them."""
