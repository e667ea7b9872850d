//! What a piece of Python or JavaScript plainly does.
