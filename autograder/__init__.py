"""What only instructors have: the build, the closed forms, the judge of a class, known mistakes."""
