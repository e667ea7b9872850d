//! The functions an expression may call: their names, how they are called, what they take and give.
//!
//! A table. Does not know how a function works.

use super::moment::Part;
use super::tree::Kind;

/// A function of CEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Replace,
    Substring,
    IndexOf,
    LastIndexOf,
    CharAt,
    Join,
    ToInt,
    ToUint,
    ToDouble,
    ToText,
    ToBool,
    ToBytes,
    ToTime,
    ToSpan,
    TypeOf,
    Dyn,
    Part(Part),
}

/// A set of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u16);

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`
    Global,
    /// `x.f()`
    Member,
    /// Either.
    Both,
}

/// One function: what it is called, how, and on what.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) form: Form,
    /// What each argument may be, the receiver first.
    pub(super) takes: &'static [Kinds],
    /// How many of `takes` must be given.
    pub(super) least: usize,
    pub(super) gives: Kinds,
}

impl Kinds {
    pub(super) const ANY: Self = Self(u16::MAX);
    pub(super) const NONE: Self = Self(0);
    pub(super) const BOOL: Self = Self::of(Kind::Bool);
    pub(super) const INT: Self = Self::of(Kind::Int);
    pub(super) const UINT: Self = Self::of(Kind::Uint);
    pub(super) const DOUBLE: Self = Self::of(Kind::Double);
    pub(super) const STR: Self = Self::of(Kind::Str);
    pub(super) const BYTES: Self = Self::of(Kind::Bytes);
    pub(super) const LIST: Self = Self::of(Kind::List);
    pub(super) const MAP: Self = Self::of(Kind::Map);
    pub(super) const TIME: Self = Self::of(Kind::Time);
    pub(super) const SPAN: Self = Self::of(Kind::Span);
    pub(super) const TYPE: Self = Self::of(Kind::Type);
    pub(super) const NUMBER: Self = Self::INT.or(Self::UINT).or(Self::DOUBLE);

    /// The set of one type.
    pub(super) const fn of(kind: Kind) -> Self {
        Self(match kind {
            Kind::Null => 1,
            Kind::Bool => 2,
            Kind::Int => 4,
            Kind::Uint => 8,
            Kind::Double => 16,
            Kind::Str => 32,
            Kind::Bytes => 64,
            Kind::List => 128,
            Kind::Map => 256,
            Kind::Time => 512,
            Kind::Span => 1024,
            Kind::Type => 2048,
        })
    }

    /// Types in either set.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Types in both sets.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True if the sets share a type.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The types in words: "a string or a list".
    pub(super) fn words(self) -> String {
        let all = [
            Kind::Null,
            Kind::Bool,
            Kind::Int,
            Kind::Uint,
            Kind::Double,
            Kind::Str,
            Kind::Bytes,
            Kind::List,
            Kind::Map,
            Kind::Time,
            Kind::Span,
            Kind::Type,
        ];
        let mut words: Vec<&str> =
            all.into_iter().filter(|kind| self.meets(Self::of(*kind))).map(Kind::words).collect();
        words.dedup();
        match words.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => "nothing".to_owned(),
        }
    }
}

const S: Kinds = Kinds::STR;
const I: Kinds = Kinds::INT;
const DATED: Kinds = Kinds::TIME;
const TIMED: Kinds = Kinds::TIME.or(Kinds::SPAN);

const fn row(
    name: &'static str,
    function: Function,
    form: Form,
    takes: (&'static [Kinds], usize),
    gives: Kinds,
) -> Signature {
    Signature { name, function, form, takes: takes.0, least: takes.1, gives }
}

/// Every function but `matches`, whose pattern is read when the expression is compiled.
pub(super) const FUNCTIONS: &[Signature] = {
    use Form::{Both, Global, Member};
    use Function as F;
    use Kinds as K;
    &[
        row("size", F::Size, Both, (&[S.or(K::BYTES).or(K::LIST).or(K::MAP)], 1), I),
        row("contains", F::Contains, Member, (&[S, S], 2), K::BOOL),
        row("startsWith", F::StartsWith, Member, (&[S, S], 2), K::BOOL),
        row("endsWith", F::EndsWith, Member, (&[S, S], 2), K::BOOL),
        row("lowerAscii", F::LowerAscii, Member, (&[S], 1), S),
        row("upperAscii", F::UpperAscii, Member, (&[S], 1), S),
        row("trim", F::Trim, Member, (&[S], 1), S),
        row("split", F::Split, Member, (&[S, S, I], 2), K::LIST),
        row("replace", F::Replace, Member, (&[S, S, S, I], 3), S),
        row("substring", F::Substring, Member, (&[S, I, I], 2), S),
        row("indexOf", F::IndexOf, Member, (&[S, S, I], 2), I),
        row("lastIndexOf", F::LastIndexOf, Member, (&[S, S, I], 2), I),
        row("charAt", F::CharAt, Member, (&[S, I], 2), S),
        row("join", F::Join, Member, (&[K::LIST, S], 1), S),
        row("int", F::ToInt, Global, (&[K::NUMBER.or(S).or(K::TIME)], 1), I),
        row("uint", F::ToUint, Global, (&[K::NUMBER.or(S)], 1), K::UINT),
        row("double", F::ToDouble, Global, (&[K::NUMBER.or(S)], 1), K::DOUBLE),
        row(
            "string",
            F::ToText,
            Global,
            (&[K::NUMBER.or(S).or(K::BOOL).or(K::BYTES).or(K::TIME).or(K::SPAN)], 1),
            S,
        ),
        row("bool", F::ToBool, Global, (&[K::BOOL.or(S)], 1), K::BOOL),
        row("bytes", F::ToBytes, Global, (&[K::BYTES.or(S)], 1), K::BYTES),
        row("timestamp", F::ToTime, Global, (&[S.or(I).or(K::TIME)], 1), K::TIME),
        row("duration", F::ToSpan, Global, (&[S.or(K::SPAN)], 1), K::SPAN),
        row("type", F::TypeOf, Global, (&[K::ANY], 1), K::TYPE),
        row("dyn", F::Dyn, Global, (&[K::ANY], 1), K::ANY),
        row("getFullYear", F::Part(Part::Year), Member, (&[DATED, S], 1), I),
        row("getMonth", F::Part(Part::Month), Member, (&[DATED, S], 1), I),
        row("getDate", F::Part(Part::Date), Member, (&[DATED, S], 1), I),
        row("getDayOfMonth", F::Part(Part::DayOfMonth), Member, (&[DATED, S], 1), I),
        row("getDayOfWeek", F::Part(Part::DayOfWeek), Member, (&[DATED, S], 1), I),
        row("getDayOfYear", F::Part(Part::DayOfYear), Member, (&[DATED, S], 1), I),
        row("getHours", F::Part(Part::Hours), Member, (&[TIMED, S], 1), I),
        row("getMinutes", F::Part(Part::Minutes), Member, (&[TIMED, S], 1), I),
        row("getSeconds", F::Part(Part::Seconds), Member, (&[TIMED, S], 1), I),
        row("getMilliseconds", F::Part(Part::Milliseconds), Member, (&[TIMED, S], 1), I),
    ]
};

/// Names that are called like functions and are none: the macros, and `matches`.
pub(super) const MACROS: &[&str] =
    &["has", "all", "exists", "exists_one", "existsOne", "map", "filter", "matches"];

/// What a function is called.
pub(super) fn signature(function: Function) -> Option<&'static Signature> {
    FUNCTIONS.iter().find(|signature| signature.function == function)
}
