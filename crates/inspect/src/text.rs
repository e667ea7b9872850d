//! A text with what hides in it: normal forms and decoded layers, with the way back to the original bytes.
