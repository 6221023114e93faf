"""One business request: taken? there before? allowed? What does it change, and who is told?"""
