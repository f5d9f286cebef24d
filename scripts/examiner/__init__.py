"""The assistant's exam: tasks as people say them, a room to solve them in, and a grader that never guesses."""
