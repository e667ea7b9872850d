//! Addresses, hosts and URLs as arguments spell them, and the one spelling that boundaries compare.
