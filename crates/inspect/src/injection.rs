//! Texts that try to give orders to a model.
