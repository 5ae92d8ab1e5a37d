"""A change of access holds everywhere once it is answered, whatever happens to those who should hear of it."""
