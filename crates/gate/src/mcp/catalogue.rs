//! The tools that the server offers: which of them an agent sees, and whether they are still what they were.
//!
//! Answerable for reading a list of tools as strictly as a call, for keeping every byte of the tools that are
//! shown, and for pinning definitions (SHA-256 of the canonical JSON; of the bytes, where a number in it has no
//! canonical form). Decides nothing: whether a definition is accepted is looked at when a call is admitted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use verdict::Json;

use super::envelope::Fields;

/// A tool as the server describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    /// The definition's hash.
    pub(super) hash: [u8; 32],
    /// The names of its arguments.
    pub(super) properties: Vec<String>,
    /// What it says of itself; one text, where it has no canonical form.
    pub(super) text: Arc<Json>,
}

/// One page of a list of tools.
#[derive(Debug)]
pub(super) struct Page<'l> {
    /// The list as it was written.
    pub(super) raw: &'l RawValue,
    /// Its items, in order.
    pub(super) items: Vec<Item<'l>>,
    /// Where the next page starts, as written.
    pub(super) next: Option<&'l str>,
}

/// One tool of a page.
#[derive(Debug)]
pub(super) struct Item<'l> {
    /// As written.
    pub(super) raw: &'l str,
    /// Its name; absent if it is not to be told.
    pub(super) name: Option<String>,
    /// What it offers; absent if it can be read in two ways, or stands there twice.
    pub(super) offer: Option<Offer>,
}

/// Reads the result of `tools/list`. The error is a sentence.
pub(super) fn read_page(result: &RawValue) -> Result<Page<'_>, String> {
    let fields = Fields::strict(result.get(), &["tools", "nextCursor", "_meta"])?;
    let raw = fields.raw("tools").ok_or("the server's list has no `tools`")?;
    let tools: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| "the server's `tools` are no list".to_owned())?;
    let mut items: Vec<Item<'_>> = tools.into_iter().map(|tool| read_item(tool.get())).collect();
    let mut seen = HashSet::new();
    let twice: HashSet<String> =
        items.iter().filter_map(|item| item.name.clone()).filter(|name| !seen.insert(name.clone())).collect();
    for item in items.iter_mut().filter(|item| item.name.as_ref().is_some_and(|name| twice.contains(name))) {
        item.offer = None;
    }
    let next = fields.raw("nextCursor").map(RawValue::get).filter(|raw| *raw != "null");
    Ok(Page { raw, items, next })
}

fn read_item(raw: &str) -> Item<'_> {
    let known = ["name", "description", "inputSchema", "outputSchema", "annotations", "title", "execution"];
    let Ok(fields) = Fields::strict(raw, &known) else { return Item { raw, name: None, offer: None } };
    let name = fields.text("name").ok().flatten();
    let hash = Sha256::digest(canonical(raw).as_bytes()).into();
    let text = Arc::new(Json::parse(raw.as_bytes()).unwrap_or_else(|_| Json::Str(raw.to_owned())));
    let offer = Offer { hash, properties: properties(fields.raw("inputSchema")), text };
    Item { raw, offer: name.is_some().then_some(offer), name }
}

/// The text that is hashed and kept. A definition with a number beyond any integer or double stands as it was
/// written: then every byte counts.
pub(super) fn canonical(raw: &str) -> String {
    Json::parse(raw.as_bytes()).map_or_else(|_| raw.to_owned(), |json| json.canonical())
}

fn properties(schema: Option<&RawValue>) -> Vec<String> {
    let named = |raw: &RawValue| -> Option<Vec<String>> {
        let schema = Fields::strict(raw.get(), &["properties"]).ok()?;
        let names: HashMap<String, &RawValue> = serde_json::from_str(schema.raw("properties")?.get()).ok()?;
        Some(names.into_keys().collect())
    };
    schema.and_then(named).unwrap_or_default()
}

/// What the client is shown of a tool.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Nothing.
    Hidden,
    /// It, byte for byte.
    Whole,
    /// It, with placeholders.
    Changed(String),
}

/// The line with only what `views` shows of each tool, in order; `None` if that is the line as it is.
pub(super) fn filtered(line: &str, page: &Page<'_>, views: &[View]) -> Option<String> {
    if views.iter().all(|view| *view == View::Whole) {
        return None;
    }
    let shown = |(item, view): (&Item<'_>, &'_ View)| match view {
        View::Hidden => None,
        View::Whole => Some(item.raw.to_owned()),
        View::Changed(text) => Some(text.clone()),
    };
    let kept: Vec<String> = page.items.iter().zip(views).filter_map(shown).collect();
    // The list is a slice of the line.
    super::screen::spliced(line, page.raw.get(), &format!("[{}]", kept.join(",")))
}

/// The offers of a server by name; `None`: it is there, and unreadable.
pub(super) type Offers = Arc<HashMap<String, Option<Offer>>>;

/// What is known of the server's tools.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    offers: Offers,
    listing: Option<Listing>,
    /// How many lists of the gate's own were asked for.
    asked: u64,
    /// How many have ended.
    ended: u64,
}

/// A list that the gate itself has asked for.
#[derive(Debug)]
struct Listing {
    id: String,
    offers: HashMap<String, Option<Offer>>,
    pages: u32,
    /// The server's tools changed while they were listed.
    stale: bool,
}

/// What follows from a page of the gate's own list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Ask for the next page.
    More,
    /// Start again: the tools changed meanwhile.
    Again,
    /// That was all.
    Done,
}

/// The most pages of a list: a server that never ends is not listened to.
const PAGES: u32 = 1_000;
/// The most tools.
const TOOLS: usize = 100_000;

impl Catalogue {
    /// The offer of a tool, as it was last listed. `Some(None)`: it is there, and unreadable.
    pub(super) fn find(&self, tool: &str) -> Option<Option<Offer>> {
        self.offers.get(tool).cloned()
    }

    /// All that is known.
    pub(super) fn offers(&self) -> Offers {
        Arc::clone(&self.offers)
    }

    /// Takes over what was known elsewhere.
    pub(super) fn remember(&mut self, offers: Offers) {
        self.offers = offers;
    }

    /// How many lists have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// Starts a list under the id that `name` makes of its number, unless one is under way. Returns the id.
    pub(super) fn start(&mut self, name: impl Fn(u64) -> String) -> Option<String> {
        if self.listing.is_some() {
            return None;
        }
        self.asked = self.asked.saturating_add(1);
        let id = name(self.asked);
        self.listing = Some(Listing { id: id.clone(), offers: HashMap::new(), pages: 0, stale: false });
        Some(id)
    }

    /// True if `id` is that of the list under way.
    pub(super) fn is_ours(&self, id: &str) -> bool {
        self.listing.as_ref().is_some_and(|listing| listing.id == id)
    }

    /// The server says that its tools changed: what was listed before counts no more.
    pub(super) fn outdated(&mut self) {
        self.offers = Offers::default();
        if let Some(listing) = &mut self.listing {
            listing.stale = true;
        }
    }

    /// Takes in a page that the client asked for.
    pub(super) fn seen(&mut self, items: &[Item<'_>]) {
        for item in items {
            let Some(name) = &item.name else { continue };
            if self.offers.len() < TOOLS || self.offers.contains_key(name) {
                Arc::make_mut(&mut self.offers).insert(name.clone(), item.offer.clone());
            }
        }
    }

    /// Takes in a page of the list under way; `next` is the id for what comes after it.
    pub(super) fn page(&mut self, page: &Page<'_>, name: impl Fn(u64) -> String) -> Then {
        let Some(listing) = &mut self.listing else { return Then::Done };
        listing.pages = listing.pages.saturating_add(1);
        for item in &page.items {
            let Some(name) = &item.name else { continue };
            let twice = listing.offers.contains_key(name);
            listing.offers.insert(name.clone(), item.offer.clone().filter(|_| !twice));
        }
        if page.next.is_some() && listing.pages < PAGES && listing.offers.len() < TOOLS {
            self.asked = self.asked.saturating_add(1);
            listing.id = name(self.asked);
            return Then::More;
        }
        let Some(Listing { offers, stale: false, .. }) = self.listing.take() else { return Then::Again };
        self.offers = Arc::new(offers);
        self.ended = self.ended.saturating_add(1);
        Then::Done
    }

    /// The id that the next page is asked for under.
    pub(super) fn listing_id(&self) -> Option<String> {
        self.listing.as_ref().map(|listing| listing.id.clone())
    }

    /// The list under way has failed: what is not known stays unknown.
    pub(super) fn failed(&mut self) {
        self.listing = None;
        self.ended = self.ended.saturating_add(1);
    }
}
