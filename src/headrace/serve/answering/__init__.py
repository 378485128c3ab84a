"""What is answered: answers and problems as nouns, and how they are sent."""
