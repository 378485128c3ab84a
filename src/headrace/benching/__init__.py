"""Load tests of endpoints: what is asked, how fast it is answered, what would make it faster."""
