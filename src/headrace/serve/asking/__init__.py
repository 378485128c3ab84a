"""What is asked: takes a request, gives typed values and the endpoint that they are for."""
