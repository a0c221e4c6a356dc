//! A typed view of a parsed file that knows where everything stands.
//!
//! The crate reads TOML by hand instead of through serde, because a value that contradicts *another* value must point
//! at its line and column just as a misspelt key does. [`Table`] gives both from one mechanism. It is public because the
//! specifications of `photic synth` and `photic study` are read by the same rules.
//!
//! Every method that reads fails with a [`ProtocolError`] that names file, line, column, key, the value found and what
//! is allowed.

use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Problem, ProtocolError, fault_at};
use crate::suggest;

type Span = std::ops::Range<usize>;
/// Key, its place, its value.
type Entry<'a> = (&'a str, Span, &'a Spanned<DeValue<'a>>);

/// A file that is valid TOML.
pub struct Document<'a> {
    text: &'a str,
    file: &'a str,
    tree: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Parses a text; `file` is the name that errors give.
    ///
    /// # Errors
    /// Where the text is not TOML.
    pub fn parse(text: &'a str, file: &'a str) -> Result<Self, ProtocolError> {
        match DeTable::parse(text) {
            Ok(tree) => Ok(Self { text, file, tree }),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let problem = Problem::Syntax(error.message().trim_end().replace('\n', "; "));
                Err(ProtocolError::Fault(Box::new(fault_at(text, file, span, String::new(), problem))))
            }
        }
    }

    /// The file as a table of any keys.
    pub fn any_root(&self) -> Table<'_> {
        Table { document: self, path: String::new(), header: 0..0, map: self.tree.get_ref() }
    }

    /// The file as a table of these keys.
    ///
    /// # Errors
    /// Any other key.
    pub fn root(&self, known: &[&str]) -> Result<Table<'_>, ProtocolError> {
        // A key that is missing from the root has no header to point at: the first character has to do.
        let root = self.any_root();
        root.refuse_unknown(known)?;
        Ok(root)
    }
}

/// One table, its dotted path, and where its header stands.
pub struct Table<'a> {
    document: &'a Document<'a>,
    path: String,
    header: Span,
    map: &'a DeTable<'a>,
}

/// The numbers that a key accepts.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    low: f64,
    low_excluded: bool,
    high: f64,
    high_excluded: bool,
}

impl Range {
    /// More than `low`.
    pub const fn above(low: f64) -> Self {
        Self { low, low_excluded: true, high: f64::MAX, high_excluded: false }
    }

    /// `low` or more.
    pub const fn from(low: f64) -> Self {
        Self { low, low_excluded: false, high: f64::MAX, high_excluded: false }
    }

    /// ... and `high` or less.
    pub const fn up_to(self, high: f64) -> Self {
        Self { high, high_excluded: false, ..self }
    }

    /// ... and less than `high`.
    pub const fn below(self, high: f64) -> Self {
        Self { high, high_excluded: true, ..self }
    }

    fn contains(&self, value: f64) -> bool {
        let above = if self.low_excluded { value > self.low } else { value >= self.low };
        let below = if self.high_excluded { value < self.high } else { value <= self.high };
        above && below
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number {} {}", if self.low_excluded { "above" } else { "from" }, self.low)?;
        if self.high < f64::MAX {
            let to = match (self.low_excluded, self.high_excluded) {
                (_, true) => ", below",
                (true, false) => ", at most",
                (false, false) => " to",
            };
            write!(f, "{to} {}", self.high)?;
        }
        Ok(())
    }
}

impl<'a> Table<'a> {
    /// An unknown key is the first fault that a table reports: what seems missing may just be misspelt.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<(), ProtocolError> {
        for (key, span, value) in self.entries() {
            if known.contains(&key) {
                continue;
            }
            let absent = known.iter().copied().filter(|k| !self.has(k));
            let hint = suggest::for_unknown_key(key, self.source(value.span()), absent);
            let valid = known.iter().map(|&k| k.to_owned()).collect();
            return Err(self.error(span, self.join(key), Problem::UnknownKey { valid }, hint));
        }
        Ok(())
    }

    /// All entries in the order of the file; the TOML crate keeps its maps sorted by name.
    pub fn entries(&self) -> Vec<Entry<'a>> {
        let mut entries: Vec<_> = self.map.iter().map(|(k, v)| (k.get_ref().as_ref(), k.span(), v)).collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// Whether a list stands under the key.
    pub fn is_list(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| value.get_ref().is_array())
    }

    /// Reads a key that may be absent.
    pub fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Self, &str) -> Result<T, ProtocolError>,
    ) -> Result<Option<T>, ProtocolError> {
        if self.has(key) { read(self, key).map(Some) } else { Ok(None) }
    }

    /// A finite number in a range.
    pub fn number(&self, key: &str, range: Range) -> Result<f64, ProtocolError> {
        let value = self.value(key, || format!("wanted: {}", with_unit(key, range)))?;
        match as_number(value.get_ref()) {
            Some(number) if range.contains(number) => Ok(number),
            _ => Err(self.refuse(key, with_unit(key, range))),
        }
    }

    /// `[low, high]`, each within the range and in rising order.
    pub fn span_of_numbers(&self, key: &str, range: Range) -> Result<[f64; 2], ProtocolError> {
        let wanted = || format!("two rising numbers [low, high], each {}", with_unit(key, range));
        let value = self.value(key, || format!("wanted: {}", wanted()))?;
        let numbers: Option<Vec<f64>> =
            value.get_ref().as_array().and_then(|a| a.iter().map(|v| as_number(v.get_ref())).collect());
        match numbers.as_deref() {
            Some(&[low, high]) if range.contains(low) && range.contains(high) && low < high => {
                Ok([low, high])
            }
            _ => Err(self.refuse(key, wanted())),
        }
    }

    /// A list of numbers, each in the range: as many as `count` says, or at least one.
    pub fn numbers(&self, key: &str, count: Option<usize>, range: Range) -> Result<Vec<f64>, ProtocolError> {
        let wanted = || match count {
            Some(count) => format!("a list of {count}, each {}", with_unit(key, range)),
            None => format!("a list of at least one, each {}", with_unit(key, range)),
        };
        let numbers = self.items(key, wanted, |item| as_number(item).filter(|n| range.contains(*n)))?;
        if count.map_or(numbers.is_empty(), |count| numbers.len() != count) {
            return Err(self.refuse(key, wanted()));
        }
        Ok(numbers)
    }

    /// A list of whole numbers, each in the range: as many as `count` says, or at least one.
    pub fn integers(
        &self,
        key: &str,
        count: Option<usize>,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<u64>, ProtocolError> {
        let wanted = || {
            let (low, high) = (range.start(), range.end());
            match count {
                Some(count) => format!("a list of {count}, each a whole number from {low} to {high}"),
                None => format!("a list of at least one, each a whole number from {low} to {high}"),
            }
        };
        let numbers = self.items(key, wanted, |item| as_whole(item).filter(|n| range.contains(n)))?;
        if count.map_or(numbers.is_empty(), |count| numbers.len() != count) {
            return Err(self.refuse(key, wanted()));
        }
        Ok(numbers)
    }

    /// A list of lists of whole numbers, at least one, none empty: indices of units, as in `[[3, 16, 16], [4, 16, 16]]`.
    ///
    /// # Errors
    /// See the module.
    pub fn indices(&self, key: &str) -> Result<Vec<Vec<usize>>, ProtocolError> {
        const WANTED: &str =
            "a list of indices, at least one, each a list of whole numbers, as in [[3, 16, 16]]";
        let index = |item: &DeValue<'_>| -> Option<Vec<usize>> {
            let numbers = item.as_array().filter(|numbers| !numbers.is_empty())?;
            numbers.iter().map(|n| as_whole(n.get_ref()).and_then(|n| usize::try_from(n).ok())).collect()
        };
        let indices = self.items(key, || WANTED.to_owned(), index)?;
        if indices.is_empty() { Err(self.refuse(key, WANTED)) } else { Ok(indices) }
    }

    fn items<T>(
        &self,
        key: &str,
        wanted: impl Fn() -> String,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Result<Vec<T>, ProtocolError> {
        let value = self.value(key, || format!("wanted: {}", wanted()))?;
        let Some(array) = value.get_ref().as_array() else { return Err(self.refuse(key, wanted())) };
        let items = array.iter().map(|item| {
            read(item.get_ref()).ok_or_else(|| self.refuse_at(item.span(), self.join(key), wanted()))
        });
        items.collect()
    }

    /// A whole number in a range.
    pub fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Result<u64, ProtocolError> {
        let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
        let value = self.value(key, || format!("wanted: {}", wanted()))?;
        match as_whole(value.get_ref()) {
            Some(number) if range.contains(&number) => Ok(number),
            _ => Err(self.refuse(key, wanted())),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str) -> Result<bool, ProtocolError> {
        let value = self.value(key, || "wanted: true or false".to_owned())?;
        value.get_ref().as_bool().ok_or_else(|| self.refuse(key, "true or false"))
    }

    /// A text that is not empty.
    pub fn text(&self, key: &str) -> Result<String, ProtocolError> {
        const WANTED: &str = "a text in quotes that is not empty";
        let value = self.value(key, || format!("wanted: {WANTED}"))?;
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
            _ => Err(self.refuse(key, WANTED)),
        }
    }

    /// A list of texts, at least one, of which some may be the same.
    pub fn any_texts(&self, key: &str) -> Result<Vec<String>, ProtocolError> {
        let wanted = || "a list of texts in quotes, at least one".to_owned();
        let texts = self.items(key, wanted, |item| {
            item.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
        })?;
        if texts.is_empty() { Err(self.refuse(key, wanted())) } else { Ok(texts) }
    }

    /// A list of different texts, at least one.
    pub fn texts(&self, key: &str) -> Result<Vec<String>, ProtocolError> {
        const WANTED: &str = "a list of texts in quotes, at least one, all different";
        let value = self.value(key, || format!("wanted: {WANTED}"))?;
        let Some(array) = value.get_ref().as_array().filter(|a| !a.is_empty()) else {
            return Err(self.refuse(key, WANTED));
        };
        let mut texts: Vec<String> = Vec::new();
        for item in array.iter() {
            let text = item.get_ref().as_str().filter(|t| !t.trim().is_empty());
            let text = text.ok_or_else(|| self.refuse_at(item.span(), self.join(key), WANTED))?;
            if texts.iter().any(|t| t == text) {
                return Err(self.refuse_at(item.span(), self.join(key), "each text once"));
            }
            texts.push(text.to_owned());
        }
        Ok(texts)
    }

    /// A list of texts, at least one; a text may come again.
    pub fn repeated_texts(&self, key: &str) -> Result<Vec<String>, ProtocolError> {
        const WANTED: &str = "a list of texts in quotes, at least one";
        let text = |item: &DeValue<'_>| item.as_str().filter(|t| !t.trim().is_empty()).map(str::to_owned);
        let texts = self.items(key, || WANTED.to_owned(), text)?;
        if texts.is_empty() { Err(self.refuse(key, WANTED)) } else { Ok(texts) }
    }

    /// One of a closed set of texts.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T, ProtocolError> {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let wanted = if names.len() > 1 { format!("one of {}", names.join(", ")) } else { names.join("") };
        let value = self.value(key, || format!("wanted: {wanted}"))?;
        let found = value.get_ref().as_str();
        if let Some((_, choice)) = choices.iter().find(|(name, _)| Some(*name) == found) {
            return Ok(*choice);
        }
        let hint = found.and_then(|f| suggest::nearest(f, choices.iter().map(|(name, _)| *name)));
        let mut error = self.refuse(key, wanted);
        set_hint(&mut error, hint.map(|h| format!("did you mean \"{h}\"?")));
        Err(error)
    }

    /// The index of a name among the things that exist.
    pub fn reference<'n>(
        &self,
        key: &str,
        what: &'static str,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<usize, ProtocolError> {
        let name = self.text(key)?;
        let names: Vec<&str> = names.collect();
        if let Some(index) = names.iter().position(|n| *n == name) {
            return Ok(index);
        }
        let hint = suggest::nearest(&name, names.iter().copied()).map(|h| format!("did you mean \"{h}\"?"));
        let names = names.into_iter().map(str::to_owned).collect();
        let problem = Problem::Undefined { what, found: format!("\"{name}\""), names };
        Err(self.error(self.value_span(key), self.join(key), problem, hint))
    }

    /// The table under a key.
    pub fn table(&self, key: &str, known: &[&str]) -> Result<Table<'a>, ProtocolError> {
        let table = self.table_of_any(key)?;
        table.refuse_unknown(known)?;
        Ok(table)
    }

    /// The table under a key, whose own keys are free or not yet known.
    pub fn table_of_any(&self, key: &str) -> Result<Table<'a>, ProtocolError> {
        let value = self.value(key, || format!("wanted: a table [{}]", self.join(key)))?;
        let Some(map) = value.get_ref().as_table() else {
            return Err(self.refuse(key, format!("a table, as in {key} = {{ ... }}")));
        };
        Ok(Table { document: self.document, path: self.join(key), header: self.key_span(key), map })
    }

    /// The tables `[key.NAME]` in the order of the file, each with its name; none if the key is absent.
    pub fn tables_by_name(&self, key: &str) -> Result<Vec<(String, Table<'a>)>, ProtocolError> {
        if !self.has(key) {
            return Ok(Vec::new());
        }
        let all = self.table_of_any(key)?;
        let mut named = Vec::new();
        for (name, _, value) in all.entries() {
            if !value.get_ref().is_table() {
                return Err(all.refuse(name, format!("a table with a name of its own, [{key}.NAME]")));
            }
            named.push((name.to_owned(), all.table_of_any(name)?));
        }
        Ok(named)
    }

    /// The tables `[key.NAME]`, all with the same keys.
    pub fn named_tables(&self, key: &str, known: &[&str]) -> Result<Vec<(String, Table<'a>)>, ProtocolError> {
        let named = self.tables_by_name(key)?;
        for (_, table) in &named {
            table.refuse_unknown(known)?;
        }
        Ok(named)
    }

    /// The tables of a list, `[[key]]` or `key = [{ ... }]`, at least one, all with these keys.
    pub fn list(&self, key: &str, known: &[&str]) -> Result<Vec<Table<'a>>, ProtocolError> {
        let tables = self.list_of_any(key)?;
        tables.iter().try_for_each(|table| table.refuse_unknown(known))?;
        Ok(tables)
    }

    /// The same with any keys.
    pub fn list_of_any(&self, key: &str) -> Result<Vec<Table<'a>>, ProtocolError> {
        let value = self.value(key, || format!("wanted: at least one [[{}]]", self.join(key)))?;
        let Some(array) = value.get_ref().as_array().filter(|a| !a.is_empty()) else {
            let is_table = value.get_ref().is_table();
            let mut error =
                self.refuse_at(self.key_span(key), self.join(key), "a list of tables, at least one");
            set_hint(&mut error, is_table.then(|| format!("write [[{key}]] with two brackets")));
            return Err(error);
        };
        let mut tables = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let Some(map) = item.get_ref().as_table() else {
                return Err(self.refuse_at(item.span(), self.join(key), "a list of tables"));
            };
            let name = ["name", "label"].iter().find_map(|k| map.get(*k)?.get_ref().as_str());
            let path = match name.filter(|n| !n.trim().is_empty()) {
                Some(name) => format!("{}[{name}]", self.join(key)),
                None => format!("{}[#{}]", self.join(key), index + 1),
            };
            tables.push(Table { document: self.document, path, header: item.span(), map });
        }
        Ok(tables)
    }

    /// Which one of several keys is there: sum types are keys.
    pub fn one_of<'k>(&self, keys: &[&'k str]) -> Result<&'k str, ProtocolError> {
        let mut present: Vec<&str> = keys.iter().copied().filter(|k| self.has(k)).collect();
        present.sort_by_key(|k| self.key_span(k).start);
        match present[..] {
            [key] => Ok(key),
            [] => {
                let problem = Problem::Missing { wanted: format!("wanted: one of {}", keys.join(", ")) };
                Err(self.error(self.header.clone(), self.path.clone(), problem, None))
            }
            [first, second, ..] => {
                let text = format!("cannot stand beside {first}; only one of {}", keys.join(", "));
                Err(self.error(self.key_span(second), self.join(second), Problem::Contradiction(text), None))
            }
        }
    }

    /// The value of `key` is not allowed; points at the value.
    pub fn refuse(&self, key: &str, allowed: impl Into<String>) -> ProtocolError {
        self.refuse_at(self.value_span(key), self.join(key), allowed)
    }

    /// The table as a whole contradicts something else; points at its header.
    pub fn itself(&self, text: impl Into<String>) -> ProtocolError {
        self.error(self.header.clone(), self.path.clone(), Problem::Contradiction(text.into()), None)
    }

    /// `key` contradicts something else; points at the key.
    pub fn contradiction(&self, key: &str, text: impl Into<String>) -> ProtocolError {
        self.error(self.key_span(key), self.join(key), Problem::Contradiction(text.into()), None)
    }

    /// The table as the lines of a file, below a header of another path, each with the line at which it stands here. What
    /// is written inline stays as it is written.
    pub(crate) fn lines(&self, path: &str) -> Result<Vec<(String, usize)>, ProtocolError> {
        let text = self.document.text;
        let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let mut lines = vec![(format!("[{path}]"), line_of(self.header.start))];
        let mut below = Vec::new();
        for (key, span, value) in self.entries() {
            let written = self.source(value.span());
            let array_of_tables = value.get_ref().as_array().is_some_and(|items| {
                items.iter().any(|item| item.get_ref().is_table()) && written.starts_with("[[")
            });
            if array_of_tables {
                return Err(self.contradiction(key, "write it inline here, as in key = [{ ... }]"));
            }
            if value.get_ref().is_table() && !written.starts_with('{') {
                below.extend(self.table_of_any(key)?.lines(&format!("{path}.{key}"))?);
                continue;
            }
            let first = line_of(span.start);
            let whole = format!("{key} = {written}");
            lines.extend(whole.lines().enumerate().map(|(n, line)| (line.to_owned(), first + n)));
        }
        lines.extend(below);
        Ok(lines)
    }

    /// Where the table and everything in it stands: headers, keys and values.
    pub(crate) fn places(&self) -> Vec<Span> {
        let mut places = Vec::new();
        for (key, span, value) in self.entries() {
            match self.table_of_any(key) {
                Ok(table) if !self.source(value.span()).starts_with('{') => {
                    places.push(span);
                    places.extend(table.places());
                }
                _ => places.push(span.start..value.span().end),
            }
        }
        places
    }

    /// Where this table stands, as in `arm[pi].controller`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The file that this table stands in, as it was named to the parser.
    pub(crate) fn file(&self) -> &str {
        self.document.file
    }

    /// Where the key stands, as `FILE:LINE`.
    pub(crate) fn line_of(&self, key: &str) -> String {
        let start = self.key_span(key).start.min(self.document.text.len());
        let line = self.document.text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!("{}:{line}", self.document.file)
    }

    /// Where the key's value stands.
    pub(crate) fn place_of(&self, key: &str) -> Span {
        self.value_span(key)
    }

    /// Where the key itself stands.
    pub(crate) fn place_of_key(&self, key: &str) -> Span {
        self.key_span(key)
    }

    fn refuse_at(&self, span: Span, path: String, allowed: impl Into<String>) -> ProtocolError {
        let found = shorten(self.source(span.clone()));
        self.error(span, path, Problem::NotAllowed { found, allowed: allowed.into() }, None)
    }

    fn value(
        &self,
        key: &str,
        wanted: impl FnOnce() -> String,
    ) -> Result<&'a Spanned<DeValue<'a>>, ProtocolError> {
        self.map.get(key).ok_or_else(|| {
            let problem = Problem::Missing { wanted: wanted() };
            self.error(self.header.clone(), self.join(key), problem, None)
        })
    }

    fn value_span(&self, key: &str) -> Span {
        self.map.get(key).map_or(self.header.clone(), Spanned::span)
    }

    fn key_span(&self, key: &str) -> Span {
        self.map.get_key_value(key).map_or(self.header.clone(), |(k, _)| k.span())
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn source(&self, span: Span) -> &'a str {
        self.document.text.get(span).unwrap_or("")
    }

    fn error(&self, span: Span, key: String, problem: Problem, hint: Option<String>) -> ProtocolError {
        let mut fault = fault_at(self.document.text, self.document.file, span, key, problem);
        fault.hint = hint;
        ProtocolError::Fault(Box::new(fault))
    }
}

pub(crate) fn set_hint(error: &mut ProtocolError, hint: Option<String>) {
    if let ProtocolError::Fault(fault) = error {
        fault.hint = hint;
    }
}

/// A whole number is a number, too: `duration_s = 30` must not need its `.0`.
fn as_number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().map(|i| i as f64),
        DeValue::Float(f) => f.as_str().parse().ok(),
        _ => None,
    }
}

fn as_whole(value: &DeValue<'_>) -> Option<u64> {
    value.as_integer().and_then(|i| u64::from_str_radix(i.as_str(), i.radix()).ok())
}

/// A range, and the unit that the key carries.
pub(crate) fn with_unit(key: &str, range: Range) -> String {
    match suggest::unit_of(key) {
        Some(unit) => format!("{range} {unit}"),
        None => range.to_string(),
    }
}

/// The first line of a value, short enough for a message.
fn shorten(value: &str) -> String {
    const MOST_CHARS: usize = 60;
    let line = value.lines().next().unwrap_or("");
    let whole = line.len() == value.len() && line.chars().count() <= MOST_CHARS;
    let mut short: String = line.chars().take(MOST_CHARS).collect();
    if !whole {
        short.push_str(" ...");
    }
    short
}
