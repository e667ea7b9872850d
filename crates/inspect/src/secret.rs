//! Secrets in texts: keys, tokens, passwords.
