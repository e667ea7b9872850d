//! Secrets in texts.

#[test]
fn small() {
    for text in ["A3T0ABCDEFGHIJKLMNOP", "password = \"super$ecret\"\n", "#define IO_KEY  \"aio_x\""] {
        eprintln!("{text}");
        let mut hits = Vec::new();
        inspect::secret::find(text, &mut hits);
        eprintln!("{hits:?}");
    }
}
