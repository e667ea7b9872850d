//! What SQL would do: tables read, written, made and dropped.
