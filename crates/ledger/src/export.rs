//! Answerable for the export format: JSON Lines that `verify::export` checks with nothing but the public key. Decides no
//! truth; `audit` does.
//!
//! The first line is `{"portcullis-ledger":1,"origin":..,"vkey":..,"checkpoint":..}`; the checkpoint is a signed note over
//! exactly the records that follow. Each other line is one record, in order from 0:
//! `{"index":n,"body":"..","refers":n?,"commitment":"hex"?,"salt":"hex"?,"payload":"base64"?}`.
//! `body` is the record's exact text as a JSON string. `commitment` (64 lower-case hex digits) is there if a payload lay
//! beside the record; `salt` (32 digits) and `payload` are there together unless it was erased. Members that are not
//! there are left out; unknown ones are errors.

use std::io::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::fault::Fault;
use crate::hash::{self, Hash};
use crate::rows::Stored;
use crate::{Payload, Reader};

/// A body of 1 MiB escaped sixfold, a payload of 16 MiB in base64, and room.
pub(crate) const LONGEST_LINE: u64 = 32 << 20;

/// Records in one read.
const CHUNK: usize = 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    #[serde(rename = "portcullis-ledger")]
    version: u32,
    origin: String,
    vkey: String,
    checkpoint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine {
    index: u64,
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refers: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commitment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

/// Writes all records that the newest checkpoint covers; says how many. `progress` hears records done and in all.
pub fn write(reader: &Reader, out: &mut dyn Write, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, Fault> {
    let checkpoint = reader.checkpoint()?;
    let signed =
        Checkpoint::read_unverified(&checkpoint).map_err(|flaw| Fault::corrupt(None, flaw.to_string()))?;
    let (origin, vkey) = (reader.origin().to_owned(), reader.vkey());
    write_line(out, &HeaderLine { version: 1, origin, vkey, checkpoint })?;
    let mut done = 0_u64;
    while done < signed.size {
        let left = usize::try_from(signed.size.saturating_sub(done)).unwrap_or(usize::MAX);
        let before = done;
        reader.stored(done, left.min(CHUNK), &mut |stored| {
            if stored.entry.index != done {
                return Err(Fault::corrupt(done, "the record is missing"));
            }
            done = done.saturating_add(1);
            write_line(out, &line(stored)?)
        })?;
        if done == before {
            return Err(Fault::corrupt(done, "the record is missing"));
        }
        progress(done, signed.size);
    }
    out.flush()?;
    Ok(done)
}

fn line(stored: Stored) -> Result<RecordLine, Fault> {
    let Stored { entry, commitment, salt, .. } = stored;
    let body =
        String::from_utf8(entry.body).map_err(|_| Fault::corrupt(entry.index, "its text is not UTF-8"))?;
    let payload = match entry.payload {
        Payload::Here(bytes) => Some(STANDARD.encode(bytes)),
        Payload::None | Payload::Erased => None,
    };
    Ok(RecordLine {
        index: entry.index,
        body,
        refers: entry.refers,
        commitment: commitment.map(|hash| hash::hex(&hash)),
        salt: salt.map(|salt| hash::hex(&salt)),
        payload,
    })
}

fn write_line<T: Serialize>(out: &mut dyn Write, line: &T) -> Result<(), Fault> {
    let mut text = serde_json::to_vec(line).map_err(|error| Fault::Io(error.to_string()))?;
    text.push(b'\n');
    Ok(out.write_all(&text)?)
}

/// The first line, read.
pub(crate) struct Header {
    pub vkey: String,
    pub checkpoint: String,
}

impl Header {
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let HeaderLine { version, origin, vkey, checkpoint } =
            serde_json::from_slice(line).map_err(|error| format!("its first line is malformed, {error}"))?;
        if version != 1 {
            return Err(format!("its version is {version}, known is 1"));
        }
        if vkey.split('+').next() != Some(origin.as_str()) {
            return Err("its origin is not its key's".into());
        }
        Ok(Self { vkey, checkpoint })
    }
}

/// A record's line, read into what can be judged.
pub(crate) struct Record {
    pub index: u64,
    pub body: String,
    pub refers: Option<u64>,
    pub commitment: Option<Hash>,
    pub payload: Option<([u8; 16], Vec<u8>)>,
}

impl Record {
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let RecordLine { index, body, refers, commitment, salt, payload } =
            serde_json::from_slice(line).map_err(|error| format!("its line is malformed, {error}"))?;
        let commitment = match commitment {
            None => None,
            Some(text) => Some(hash::unhex(&text).ok_or("its commitment is not 64 lower-case hex digits")?),
        };
        let payload = match (salt, payload) {
            (None, None) => None,
            (Some(salt), Some(payload)) => {
                let salt = hash::unhex(&salt).ok_or("its salt is not 32 lower-case hex digits")?;
                Some((salt, STANDARD.decode(payload).map_err(|_| "its payload is not base64")?))
            }
            _ => return Err("its salt and its payload do not come together".into()),
        };
        Ok(Self { index, body, refers, commitment, payload })
    }
}
